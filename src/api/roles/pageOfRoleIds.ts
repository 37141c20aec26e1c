import { keyIn, limitOf, tokenFor } from '../../http/page.ts';
import type { Roles } from './shownRole.ts';

/** The roleIds of the page that a query asks for. */
export function pageOfRoleIds(
  roleGraph: Roles,
  query: Record<string, string>,
): { ids: string[]; continuationToken?: string } {
  const limit = limitOf(query);
  const ids = roleGraph.idsAfter(keyIn(query['continuationToken']), limit);
  const token = ids.length < limit ? undefined : tokenFor(ids.at(-1));
  return { ids, ...(token !== undefined && { continuationToken: token }) };
}
