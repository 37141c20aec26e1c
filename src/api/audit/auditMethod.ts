/** What the declarations of all methods that tell what was changed have in common. */
export const auditMethod = {
  dialects: ['current'],
  method: 'get',
  category: 'Audit',
  stability: 'stable',
  query: ['continuationToken', 'limit'],
  reads: true,
  output: 'get-entity-history-response',
} as const;

/** How what they tell is ordered. */
export const PAGING_DESCRIPTION =
  'Oldest first; a page may be shorter than `limit`: go on with the `continuationToken` until there is none. Nothing is ever removed ' +
  'from it.';
