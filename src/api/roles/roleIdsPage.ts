import { pageLimit, pageStart, continuationTokenFor, type PagedMoment } from '../../http/pagination.ts';
import type { Roles } from '../../readSide/state.ts';

/** The roleIds of the page that a query asks for. */
export function roleIdsPage(
  roles: Pick<Roles, 'idsAfter'>,
  query: Record<string, string>,
  moment: PagedMoment | undefined,
): { ids: string[]; continuationToken?: string } {
  const limit = pageLimit(query);
  const ids = roles.idsAfter(pageStart(query['continuationToken']).key, limit);
  const token = ids.length < limit ? undefined : continuationTokenFor(ids.at(-1), moment);
  return { ids, ...(token !== undefined && { continuationToken: token }) };
}
