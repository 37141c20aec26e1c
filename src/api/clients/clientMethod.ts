/** The common part of the declarations of all methods for clients. */
export const clientMethod = {
  dialects: ['older', 'current'],
  category: 'Clients',
  stability: 'stable',
} as const;
