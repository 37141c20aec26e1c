/** The common part of the declarations of all audit methods. */
export const auditMethod = {
  dialects: ['current'],
  method: 'get',
  category: 'Audit',
  stability: 'stable',
  query: ['continuationToken', 'limit'],
  reads: true,
  output: 'get-entity-history-response',
} as const;

/** The sentences about order and paging in their descriptions. */
export const PAGING_DESCRIPTION =
  'Oldest first; a page may be shorter than `limit`: go on with the `continuationToken` until there is none. Nothing is ever removed ' +
  'from it.';
