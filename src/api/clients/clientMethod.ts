/** What the declarations of all methods about clients have in common. */
export const clientMethod = {
  dialects: ['older', 'current'],
  category: 'Clients',
  stability: 'stable',
} as const;
