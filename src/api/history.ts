import {
  type ActorHistoryRow,
  actorPrefix,
  type BriefEntry,
  entryOf,
} from '../../projections/actorHistory.ts';
import type { AuditEntry } from '../../projections/auditEntry.ts';
import { rolePrefix } from '../../projections/roleHistory.ts';
import type { ReadModel } from '../readSide/readModel.ts';
import type { Endpoint, EndpointReply, EndpointRequest } from '../http/endpoint.ts';
import { keyIn, limitOf, notOurs, tokenFor } from '../http/page.ts';
import type { Services } from './services.ts';
import { workFor } from '../http/workFor.ts';

type Query = Record<string, string>;

/** How long (ms) making a page is taken to last at most: the rest of the time was waiting. */
const MOST_FOR_PAGE = 50;

/** The endpoints that tell what was changed, by whom. */
export function historyEndpoints({ projector, clientHistory, longWork }: Services): Endpoint[] {
  /** Whoever reads one long page after the other does so within its share of the time. */
  async function withinShare(
    request: EndpointRequest,
    makePage: () => Promise<EndpointReply>,
  ): Promise<EndpointReply> {
    const whom = workFor(request);
    await longWork.rested(whom);
    const began = performance.now();
    const page = await makePage();
    longWork.charge(whom, Math.min(performance.now() - began, MOST_FOR_PAGE));
    return page;
  }

  async function pageOf({ params, query }: EndpointRequest): Promise<EndpointReply> {
    const { entityType, entityId } = params as { entityType: string; entityId: string };
    if (entityType === 'client') return pageOfClient(entityId, query);
    if (entityType === 'role') return pageOfRole(projector.roleHistory, rolePrefix(entityId), query);
    return reply([], undefined);
  }

  async function pageOfClient(clientId: string, query: Query): Promise<EndpointReply> {
    const text = keyIn(query['continuationToken']) ?? '0';
    const fromRevision = /^\d{1,15}$/.test(text) ? Number(text) : notOurs();
    const { entries, next } = await clientHistory(clientId, { fromRevision, limit: limitOf(query) });
    return reply(entries, next === undefined ? undefined : String(next));
  }

  const common = {
    dialects: ['current'],
    method: 'get',
    category: 'Audit',
    stability: 'stable',
    query: ['continuationToken', 'limit'],
    reads: true,
    output: 'get-entity-history-response',
  } as const;
  const order =
    'Oldest first; a page may be shorter than `limit`: go on with the `continuationToken` until there is none. Nothing is ever removed ' +
    'from it.';

  return [
    {
      ...common,
      name: 'getEntityHistory',
      route: '/audit/<entityType>/<entityId>',
      scopes: 'auth:audit-history:<entityType>',
      title: 'Get Entity History',
      description: `All changes of one client or role, through all its lives. It is empty for a type that this service keeps nothing of. ${order}`,
      handle: (request) => withinShare(request, () => pageOf(request)),
    },
    {
      ...common,
      name: 'listAuditHistory',
      route: '/clients/<clientId>/audit',
      scopes: 'auth:client-audit-history:<clientId>',
      title: 'List Audit History',
      description: `All changes that were made by one clientId. ${order}`,
      handle: (request) =>
        withinShare(request, () =>
          pageOfActor(projector.actorHistory, request.params['clientId']!, request.query),
        ),
    },
  ];
}

/** A page goes on after a place that nothing which comes later can move. */
async function pageOfRole(
  history: ReadModel<AuditEntry>,
  prefix: string,
  query: Query,
): Promise<EndpointReply> {
  const after = keyIn(query['continuationToken']);
  const { rows, last } = await history.list({
    prefix,
    after: after === undefined ? undefined : prefix + after,
    limit: limitOf(query),
  });
  return reply(
    rows.map(({ value }) => value),
    last?.slice(prefix.length),
  );
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
    reply(
      entries.map((entry) => entryOf(clientId, entry)),
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

function reply(auditHistory: AuditEntry[], next: string | undefined): EndpointReply {
  const continuationToken = tokenFor(next);
  return { body: { auditHistory, ...(continuationToken !== undefined && { continuationToken }) } };
}
