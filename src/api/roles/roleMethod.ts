/** What the declarations of all methods about roles have in common. */
export const roleMethod = {
  dialects: ['older', 'current'],
  category: 'Roles',
  stability: 'stable',
} as const;
