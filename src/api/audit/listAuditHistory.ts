import { type ActorHistoryRow, actorPrefix, type BriefEntry } from '../../../projections/actorHistory.ts';
import type { AuditEntry } from '../../../projections/auditEntry.ts';
import type { Endpoint, EndpointReply } from '../../http/endpoint.ts';
import { keyInContinuationToken, pageLimit, invalidContinuationToken } from '../../http/pagination.ts';
import type { LongWork } from '../../process/longWork.ts';
import type { ReadModel } from '../../readSide/readModel.ts';
import { auditMethod, PAGING_DESCRIPTION } from './auditMethod.ts';
import { historyReply } from './historyReply.ts';
import { withinFairShare } from './withinFairShare.ts';

type Query = Record<string, string>;

/** `listAuditHistory`: all changes that one client made. */
export function listAuditHistory({
  projector,
  longWork,
}: {
  projector: { actorHistory: ReadModel<ActorHistoryRow> };
  longWork: LongWork;
}): Endpoint {
  return {
    ...auditMethod,
    name: 'listAuditHistory',
    route: '/clients/<clientId>/audit',
    scopes: 'auth:client-audit-history:<clientId>',
    title: 'List Audit History',
    description: `All changes that were made by one clientId. ${PAGING_DESCRIPTION}`,
    handle: (request) =>
      withinFairShare(longWork, request, () =>
        pageOfActor(projector.actorHistory, request.params['clientId']!, request.query),
      ),
  };
}

/**
 * A row holds several entries, so a page may end within one. The cursor is the key of a row, and how many of its
 * entries were read.
 */
async function pageOfActor(
  history: ReadModel<ActorHistoryRow>,
  clientId: string,
  query: Query,
): Promise<EndpointReply> {
  const prefix = actorPrefix(clientId);
  const limit = pageLimit(query);
  const [key, count] = parseCursor(keyInContinuationToken(query['continuationToken']));
  const partlyRead = key === undefined ? undefined : await history.get(prefix + key);
  const { rows, last } = await history.list({
    prefix,
    after: key === undefined ? undefined : prefix + key,
    limit,
  });
  const all = [
    ...(partlyRead ? [{ key: prefix + key!, entries: partlyRead.entries.slice(count), before: count }] : []),
    ...rows.map((row) => ({ key: row.key, entries: row.value.entries, before: 0 })),
  ];
  const entries: BriefEntry[] = [];
  const replyUpTo = (next: string | undefined): EndpointReply =>
    historyReply(
      entries.map((entry) => changeOf(clientId, entry)),
      next,
    );
  for (const row of all) {
    const part = row.entries.slice(0, limit - entries.length);
    entries.push(...part);
    const isCut = part.length < row.entries.length;
    if (isCut || (entries.length === limit && (row !== all.at(-1) || last !== undefined)))
      return replyUpTo(`${row.key.slice(prefix.length)}/${row.before + part.length}`);
  }
  return replyUpTo(last && `${last.slice(prefix.length)}/${all.at(-1)!.entries.length}`);
}

/** The entry of a change. Credentials that the actor was given are in rows with another prefix. */
function changeOf(clientId: string, [actionType, created, entityType, entityId]: BriefEntry): AuditEntry {
  return { clientId, actionType, created, entityId, entityType: entityType as AuditEntry['entityType'] };
}

function parseCursor(text: string | undefined): [key: string | undefined, count: number] {
  if (text === undefined) return [undefined, 0];
  const [, key, count] = /^(.+)\/(\d{1,9})$/.exec(text) ?? invalidContinuationToken();
  return [key!, Number(count)];
}
