import {
  CLIENT_ID_PATTERN,
  MOMENT_PATTERN,
  POSITION_PATTERN,
  ROLE_ID_PATTERN,
} from '../../../schemas/constants.ts';
import { type CredentialsIssued, SERVICE_NAME_PATTERN } from '../../../schemas/events/credentialsEvents.ts';
import { refuseArguments } from '../../domain/errors.ts';
import type { Position } from '../../event.ts';
import type { EventStore } from '../../eventStore/eventStore.ts';
import { isPositionOf } from '../../eventStore/position.ts';
import type { Endpoint, EndpointReply, EndpointRequest } from '../../http/endpoint.ts';
import { invalidContinuationToken, pageLimit } from '../../http/pagination.ts';
import { momentNamed } from '../../http/requestedState.ts';
import { workFor } from '../../http/workFor.ts';
import type { LongWork } from '../../process/longWork.ts';
import { makePaced } from '../../process/paced.ts';
import type { HistoryParts } from '../../readSide/historyEvents.ts';
import {
  type HistoryEntry,
  type HistoryFilter,
  type HistoryPage,
  type HistoryQuery,
  makeHistoryPage,
} from '../../readSide/historyPage.ts';
import type { Moment, Moments } from '../../readSide/moments.ts';
import { auditorsMethod } from './auditorsMethod.ts';
import { historyFilter } from './historyFilter.ts';
import { cursorInToken, questionToken } from './questionToken.ts';
import { READ_HISTORY, readableHistory } from './readHistoryScopes.ts';

const DEFAULT_LIMIT = '100';

/** `history`: what changed, by whom, and with which content. */
export function history(parts: HistoryParts & { longWork: LongWork; moments: Moments }): Endpoint {
  const { eventStore, projector, longWork, moments } = parts;
  const historyPage = makeHistoryPage(parts);

  return {
    ...auditorsMethod,
    name: 'history',
    method: 'get',
    route: '/history',
    query: [
      ...['client', 'role', 'service', 'kind', 'prefix', 'actor', 'type', 'from', 'to', 'since', 'until'],
      ...['at', 'order', 'limit', 'continuationToken'],
    ],
    patterns: {
      client: new RegExp(CLIENT_ID_PATTERN),
      role: new RegExp(ROLE_ID_PATTERN),
      service: new RegExp(SERVICE_NAME_PATTERN),
      kind: /^(client|role|credentials)$/,
      prefix: new RegExp(ROLE_ID_PATTERN),
      actor: new RegExp(CLIENT_ID_PATTERN),
      type: /^[A-Za-z]+(,[A-Za-z]+)*$/,
      from: new RegExp(POSITION_PATTERN),
      to: new RegExp(POSITION_PATTERN),
      since: new RegExp(MOMENT_PATTERN),
      until: new RegExp(MOMENT_PATTERN),
      order: /^(newest|oldest)$/,
    },
    scopes: READ_HISTORY,
    scopeParams: ({ query: { client, role, service } }) => ({ client, role, service }),
    output: 'history-response',
    title: 'History',
    description:
      'Changes of clients and roles and credentials that were issued, each with what it changed, who made it, through which ' +
      'request, from where and why. Newest first, or oldest first with `order=oldest`. All conditions hold together: one ' +
      '`client`, `role` or guarded `service`, or a `kind` (`client`, `role`, `credentials`), or a `prefix` of ids of clients ' +
      'and roles; the `actor`; one or several `type`s of events, with commas; positions after `from` up to and including `to`; ' +
      'times from `since` to `until`, both included; `at` a position or a time, the log as it was then. A page ends after `limit` entries (100 by default; more than 1000 are reduced to that), after ' +
      '10,000 events that were looked at, or when it is large: go on with the `continuationToken` until `complete` is true. ' +
      'Entries need `authledger:read-history:<client|role|credentials>/<id>`, and a `prefix` needs it for all ids that begin so, as ' +
      'a pattern. Other entries are left out; `hidden` says how many events of any kind the caller lacks it for in the part of the ' +
      'log that was looked at, whatever the other conditions except positions and times. A caller without any such scope gets 403.',
    async handle(request) {
      const log = { start: eventStore.start, head: projector.position };
      const query = historyQuery(request, log);
      const readable = readableHistory(request.caller, query.filter);
      await requireEvents(query, { ...log, eventAt: eventStore.eventAt });
      const moment = await momentOf(query, request);
      const filter = upToMoment(query, moment);
      const page = await historyPage(
        { ...query, ...readable, filter, continueAt: query.cursor?.last },
        makePaced(longWork, workFor(request)),
      );
      return { ...historyReply(page, query, moment), moment };
    },
  };

  function momentOf(
    { at, cursor }: ListQuery,
    { now }: Pick<EndpointRequest, 'now'>,
  ): Promise<Moment | undefined> | undefined {
    if (cursor?.at !== undefined) return moments.atPosition(cursor.at);
    return at === undefined ? undefined : momentNamed(moments, at, now);
  }
}

/**
 * Where the next page goes on: after the event `last`. Pages that reach back, and those of a moment, keep to the part of
 * the log that the first one read, `upTo`.
 */
type Cursor = { last: Position; upTo?: Position; at?: Position };

/** What was asked for. `at` is the text that names a moment. */
type ListQuery = Pick<HistoryQuery, 'filter' | 'order' | 'limit'> & {
  at: string | undefined;
  cursor: Cursor | undefined;
};

/** The filter, for the part of the log that a page is read from. */
function upToMoment({ filter, cursor }: ListQuery, moment: Moment | undefined): HistoryFilter {
  if (cursor?.upTo !== undefined) return { ...filter, upTo: cursor.upTo };
  if (!moment) return filter;
  const { after, upTo } = filter;
  if (after !== undefined && after > moment.position)
    refuseArguments(`from must not be after at, which is the position ${moment.position}`);
  return { ...filter, upTo: upTo !== undefined && upTo < moment.position ? upTo : moment.position };
}

/** Between the positions of events, a store may not be able to read. */
async function requireEvents(
  { filter: { after, upTo }, cursor }: ListQuery,
  { start, head, eventAt }: { start: Position; head: Position } & Pick<EventStore, 'eventAt'>,
): Promise<void> {
  const isThere = async (position: Position | undefined): Promise<boolean> =>
    position === undefined || position === start || position === head || !!(await eventAt(position));
  for (const position of [cursor?.last, cursor?.upTo, cursor?.at])
    if (!(await isThere(position))) invalidContinuationToken();
  for (const [name, position] of Object.entries({ from: after, to: upTo }))
    if (!(await isThere(position)))
      refuseArguments(`there is no event at the position ${position} in ${name}`);
}

function historyQuery({ query }: EndpointRequest, log: { start: Position; head: Position }): ListQuery {
  const filter = historyFilter(query, log);
  const order = query['order'] === 'oldest' ? 'oldest' : 'newest';
  const limit = pageLimit({ limit: DEFAULT_LIMIT, ...query });
  const { at } = query;
  const isPosition = (value: unknown): boolean => typeof value === 'string' && isPositionOf(value, log.start);
  const isCursor = ({ last, ...others }: Partial<Cursor>): boolean =>
    isPosition(last) && [others.upTo, others.at].every((each) => each === undefined || isPosition(each));
  const cursor = cursorInToken(query['continuationToken'], { filter, order, at }, isCursor);
  return { filter, order, limit, at, cursor };
}

function historyReply(
  { entries, hidden, last, position }: HistoryPage,
  { filter, order, at }: ListQuery,
  moment: Moment | undefined,
): EndpointReply {
  const upTo = order === 'newest' || moment ? position : undefined;
  const cursor = last && { last, upTo, at: moment?.position };
  const continuationToken = cursor && questionToken({ filter, order, at }, cursor);
  return {
    body: {
      entries: entries.map(entryOf),
      hidden,
      position,
      complete: last === undefined,
      ...(continuationToken !== undefined && { continuationToken }),
    },
  };
}

function entryOf({ event, entity, changes, scopesAdded, scopesRemoved }: HistoryEntry): object {
  const { position, id, type, data, metadata } = event;
  const { actor, issuer, at, requestId, reason, sourceIp, traceparent } = metadata;
  const { imported } = data as { imported?: object };
  return {
    position,
    id,
    type,
    at,
    actor,
    ...(issuer !== undefined && { issuer }),
    requestId,
    ...(reason !== undefined && { reason }),
    ...(sourceIp !== undefined && { sourceIp }),
    ...(traceparent !== undefined && { traceparent }),
    entity,
    changes,
    scopesAdded,
    scopesRemoved,
    ...(imported && { imported }),
    ...(type === 'CredentialsIssued' && { issued: issuedBy(data as CredentialsIssued['data']) }),
  };
}

function issuedBy({ target, level, expires }: CredentialsIssued['data']): object {
  return { target, ...(level !== undefined && { level }), expires };
}
