/** The common part of the declarations of all methods for roles. */
export const roleMethod = {
  dialects: ['older', 'current'],
  category: 'Roles',
  stability: 'stable',
} as const;
