/** The common part of the declarations of all methods for auditors. */
export const auditorsMethod = {
  dialects: ['authledger'],
  category: 'Auditors',
  stability: 'experimental',
  reads: true,
} as const;
