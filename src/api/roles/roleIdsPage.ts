import { keyInContinuationToken, pageLimit, continuationTokenFor } from '../../http/pagination.ts';
import type { Roles } from './roleView.ts';

/** The roleIds of the page that a query asks for. */
export function roleIdsPage(
  roleGraph: Roles,
  query: Record<string, string>,
): { ids: string[]; continuationToken?: string } {
  const limit = pageLimit(query);
  const ids = roleGraph.idsAfter(keyInContinuationToken(query['continuationToken']), limit);
  const token = ids.length < limit ? undefined : continuationTokenFor(ids.at(-1));
  return { ids, ...(token !== undefined && { continuationToken: token }) };
}
