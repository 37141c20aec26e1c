/** The common part of the declarations of all monitoring methods. */
export const monitoringMethod = {
  method: 'get',
  category: 'Monitoring',
  stability: 'stable',
  authentication: 'none',
  stateless: true,
  quota: 'none',
} as const;
