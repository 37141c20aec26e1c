import { auditEntry } from '../../../projections/auditEntry.ts';
import { type RoleHistoryRow, rolePrefix } from '../../../projections/roleHistory.ts';
import type { Endpoint, EndpointReply, EndpointRequest } from '../../http/endpoint.ts';
import { keyInContinuationToken, pageLimit, invalidContinuationToken } from '../../http/pagination.ts';
import type { LongWork } from '../../process/longWork.ts';
import type { ClientHistory } from '../../readSide/clientHistory.ts';
import type { ReadModel } from '../../readSide/readModel.ts';
import { auditMethod, PAGING_DESCRIPTION } from './auditMethod.ts';
import { historyReply } from './historyReply.ts';
import { withinFairShare } from './withinFairShare.ts';

type Query = Record<string, string>;
type Histories = { projector: { roleHistory: ReadModel<RoleHistoryRow> }; clientHistory: ClientHistory };

/** `getEntityHistory`: all changes of one client or role. */
export function getEntityHistory({
  projector,
  clientHistory,
  longWork,
}: Histories & { longWork: LongWork }): Endpoint {
  return {
    ...auditMethod,
    name: 'getEntityHistory',
    route: '/audit/<entityType>/<entityId>',
    scopes: 'auth:audit-history:<entityType>',
    title: 'Get Entity History',
    description: `All changes of one client or role, through all its lives. It is empty for a type that this service keeps nothing of. ${PAGING_DESCRIPTION}`,
    handle: (request) =>
      withinFairShare(longWork, request, () => pageOf({ projector, clientHistory }, request)),
  };
}

async function pageOf(
  { projector, clientHistory }: Histories,
  { params, query }: EndpointRequest,
): Promise<EndpointReply> {
  const { entityType, entityId } = params as { entityType: string; entityId: string };
  if (entityType === 'client') return pageOfClient(clientHistory, entityId, query);
  // Only here, because the table may still be built.
  if (entityType === 'role') return pageOfRole(projector.roleHistory, rolePrefix(entityId), query);
  return historyReply([], undefined);
}

async function pageOfClient(
  clientHistory: ClientHistory,
  clientId: string,
  query: Query,
): Promise<EndpointReply> {
  const text = keyInContinuationToken(query['continuationToken']) ?? '0';
  const fromRevision = /^\d{1,15}$/.test(text) ? Number(text) : invalidContinuationToken();
  const { entries, next } = await clientHistory(clientId, { fromRevision, limit: pageLimit(query) });
  return historyReply(entries, next === undefined ? undefined : String(next));
}

/** The continuation token is a key in the role's history, which later entries never shift. */
async function pageOfRole(
  history: ReadModel<RoleHistoryRow>,
  prefix: string,
  query: Query,
): Promise<EndpointReply> {
  const after = keyInContinuationToken(query['continuationToken']);
  const { rows, last } = await history.list({
    prefix,
    after: after === undefined ? undefined : prefix + after,
    limit: pageLimit(query),
  });
  return historyReply(
    rows.map(({ value }) => auditEntry(value)),
    last?.slice(prefix.length),
  );
}
