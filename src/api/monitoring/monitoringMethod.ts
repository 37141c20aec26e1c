/** What the declarations of all methods for whoever watches over this service have in common. */
export const monitoringMethod = {
  method: 'get',
  category: 'Monitoring',
  stability: 'stable',
  authentication: 'none',
  stateless: true,
  quota: 'none',
} as const;
