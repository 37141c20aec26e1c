import {
  type ActorHistoryRow,
  actorPrefix,
  type BriefEntry,
  fullEntry,
} from '../../../projections/actorHistory.ts';
import type { Endpoint, EndpointReply } from '../../http/endpoint.ts';
import { keyIn, limitOf, notOurs } from '../../http/page.ts';
import type { LongWork } from '../../process/longWork.ts';
import type { ReadModel } from '../../readSide/readModel.ts';
import { auditMethod, ORDER } from './auditMethod.ts';
import { historyReply } from './historyReply.ts';
import { withinShare } from './withinShare.ts';

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
    description: `All changes that were made by one clientId. ${ORDER}`,
    handle: (request) =>
      withinShare(longWork, request, () =>
        pageOfActor(projector.actorHistory, request.params['clientId']!, request.query),
      ),
  };
}

/** Rows hold several entries each: a page ends behind so many of one row, or of the row after which it goes on. */
async function pageOfActor(
  history: ReadModel<ActorHistoryRow>,
  clientId: string,
  query: Query,
): Promise<EndpointReply> {
  const prefix = actorPrefix(clientId);
  const limit = limitOf(query);
  const [key, count] = placeIn(keyIn(query['continuationToken']));
  const begun = key === undefined ? undefined : await history.get(prefix + key);
  const { rows, last } = await history.list({
    prefix,
    after: key === undefined ? undefined : prefix + key,
    limit,
  });
  const all = [
    ...(begun ? [{ key: prefix + key!, entries: begun.entries.slice(count), before: count }] : []),
    ...rows.map((row) => ({ key: row.key, entries: row.value.entries, before: 0 })),
  ];
  const entries: BriefEntry[] = [];
  const told = (next: string | undefined): EndpointReply =>
    historyReply(
      entries.map((entry) => fullEntry(clientId, entry)),
      next,
    );
  for (const row of all) {
    const taken = row.entries.slice(0, limit - entries.length);
    entries.push(...taken);
    const isCut = taken.length < row.entries.length;
    if (isCut || (entries.length === limit && (row !== all.at(-1) || last !== undefined)))
      return told(`${row.key.slice(prefix.length)}/${row.before + taken.length}`);
  }
  return told(last && `${last.slice(prefix.length)}/${all.at(-1)!.entries.length}`);
}

function placeIn(text: string | undefined): [key: string | undefined, count: number] {
  if (text === undefined) return [undefined, 0];
  const [, key, count] = /^(.+)\/(\d{1,9})$/.exec(text) ?? notOurs();
  return [key!, Number(count)];
}
