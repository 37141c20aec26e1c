import { lifePrefix } from '../../../projections/lives.ts';
import type { Endpoint, EndpointReply, EndpointRequest } from '../../http/endpoint.ts';
import { invalidContinuationToken } from '../../http/pagination.ts';
import { isPast, momentNamed } from '../../http/requestedState.ts';
import { workFor } from '../../http/workFor.ts';
import { ApiError, refuseArguments } from '../../domain/errors.ts';
import { asCode } from '../../domain/markdown.ts';
import { sourceFrom } from '../../domain/grantSearch.ts';
import type { EventStore } from '../../eventStore/eventStore.ts';
import { ROLES_STREAM } from '../../eventStore/streams.ts';
import type { LongWork, WorkFor } from '../../process/longWork.ts';
import { makePaced } from '../../process/paced.ts';
import { compareIds } from '../../readSide/compareIds.ts';
import { changedSubjects, type Subject } from '../../readSide/changedSubjects.ts';
import { type EffectiveChange, makeEffectiveChanges } from '../../readSide/effectiveChanges.ts';
import type { FormerStates } from '../../readSide/formerStates.ts';
import { holderBetween } from '../../readSide/holderBetween.ts';
import type { HolderEvent } from '../../readSide/holderEvents.ts';
import type { Moment, Moments } from '../../readSide/moments.ts';
import type { Projector } from '../../readSide/projector.ts';
import { auditorsMethod } from './auditorsMethod.ts';
import { cursorInToken, questionToken } from './questionToken.ts';

/** Clients and roles that are compared at a time, and for one page. */
const BATCH_SIZE = 32;
const MAX_LOOKED_AT = 10_000;
/** Scopes of one change, and of all on a page, at which it ends. */
const MAX_SCOPES = 5000;
/** Clients and roles that there never were, of which an error names no more. */
const MAX_UNKNOWN = 10;

export type WhatChangedParts = {
  eventStore: EventStore;
  projector: Projector;
  moments: Moments;
  formerStates: FormerStates;
  longWork: LongWork;
};

type NamedSubject = { clientId: string } | { roleId: string };
type Input = {
  from: string;
  to?: string;
  subjects?: NamedSubject[];
  scopes?: string[];
  limit: number;
  continuationToken?: string;
};

/** Where the next page goes on: after a subject, between the moments of the first page. */
type Cursor = { from: SavedMoment; to: SavedMoment; after: Subject };
/** A position, and the time (ms since 1970) at which expiration is judged. */
type SavedMoment = [position: string, time: number];

/** `whatChanged`: whose effective scopes changed between two moments, how, and by which events. */
export function whatChanged(parts: WhatChangedParts): Endpoint {
  return {
    ...auditorsMethod,
    name: 'whatChanged',
    method: 'post',
    route: '/what-changed',
    scopes: 'authledger:what-changed',
    input: 'what-changed-request',
    output: 'what-changed-response',
    title: 'What Changed',
    description:
      'Compares two moments, `from` and `to` (by default now): for each client and role, the scopes that it gained and lost of all ' +
      'that it expands to, in normal form: one that a wider scope covers is no change. A client has none while it is missing, disabled ' +
      'or expired. `causes` are the events that added the grants of one shortest path that is new, or removed those of one that is ' +
      'lost. Clients come first, then roles, by id. One of the `subjects` that there never was up to `to` is 404. `complete` says whether that was all; else go on with the `continuationToken`.',
    handle: (request) => page(parts, request),
  };
}

async function page(parts: WhatChangedParts, request: EndpointRequest): Promise<EndpointReply> {
  const { limit, continuationToken, ...question } = request.body as Input;
  const { moments } = parts;
  const cursor = cursorInToken(continuationToken, question, isCursor);
  if (cursor && ![cursor.from, cursor.to].every(([, time]) => isPast(new Date(time), request.now)))
    invalidContinuationToken();
  const from = await (cursor
    ? restored(moments, cursor.from)
    : momentNamed(moments, question.from, request.now));
  const to = await (cursor ? restored(moments, cursor.to) : latest(parts, question.to, request.now));
  if (from.position > to.position)
    refuseArguments(`from is after to: ${from.position} comes after ${to.position}`);
  if (!cursor) await refuseUnknown(parts, { subjects: question.subjects, to }, workFor(request));
  const found = await compare(parts, workFor(request), {
    ...question,
    from,
    to,
    after: cursor?.after,
    limit,
  });
  const next = found.last && questionToken(question, { from: saved(from), to: saved(to), after: found.last });
  return {
    body: {
      from: shownMoment(from),
      to: shownMoment(to),
      changes: found.changes.map(shown),
      complete: next === undefined,
      ...(next !== undefined && { continuationToken: next }),
    },
    moment: to,
  };
}

/** Throws ResourceNotFound, naming some, if there never was such a client or role up to a position. */
async function refuseUnknown(
  { projector: { lives }, longWork }: WhatChangedParts,
  { subjects = [], to: { position } }: { subjects?: readonly NamedSubject[]; to: Moment },
  owner: WorkFor,
): Promise<void> {
  const paced = makePaced(longWork, owner);
  const unknown: Subject[] = [];
  for (const { kind, id } of subjects.map(subjectNamed)) {
    const prefix = lifePrefix({ entityType: kind, entityId: id });
    if (!(await paced(() => lives.lastUpTo({ prefix, key: prefix + position })))) unknown.push({ kind, id });
    if (unknown.length === MAX_UNKNOWN) break;
  }
  if (unknown.length === 0) return;
  const names = unknown.map(({ kind, id }) => `${kind} ${asCode(id)}`).join(', ');
  throw new ApiError('ResourceNotFound', `up to ${position}, there never was: ${names}`, {
    subjects: unknown.map(nameOf),
    position,
  });
}

function latest(
  { moments, projector }: WhatChangedParts,
  to: string | undefined,
  now: Date,
): Promise<Moment> {
  if (to !== undefined) return momentNamed(moments, to, now);
  return moments.atPosition(projector.position).then((moment) => ({ ...moment, time: now }));
}

function shownMoment({ position, at, time }: Moment): object {
  return { position, ...(at !== undefined && { at }), time: time.toJSON() };
}

function saved({ position, time }: Moment): SavedMoment {
  return [position, time.getTime()];
}

async function restored(moments: Moments, [position, time]: SavedMoment): Promise<Moment> {
  return { ...(await moments.atPosition(position)), time: new Date(time) };
}

function isCursor({ from, to, after }: Partial<Cursor>): boolean {
  const isSaved = (moment: unknown): boolean =>
    Array.isArray(moment) && typeof moment[0] === 'string' && Number.isSafeInteger(moment[1]);
  const isSubject = (after?.kind === 'client' || after?.kind === 'role') && typeof after.id === 'string';
  return isSaved(from) && isSaved(to) && isSubject;
}

/** Changes until the page is full. `last` is the subject after which to go on; undefined at the end. */
async function compare(
  parts: WhatChangedParts,
  owner: WorkFor,
  {
    from,
    to,
    subjects,
    scopes,
    after,
    limit,
  }: {
    from: Moment;
    to: Moment;
    subjects?: NamedSubject[];
    scopes?: string[];
    after?: Subject;
    limit: number;
  },
): Promise<{ changes: EffectiveChange[]; last: Subject | undefined }> {
  const [former, later] = [from, to].map((moment) => ({ ...parts.formerStates(moment, owner), moment }));
  const paced = makePaced(parts.longWork, owner);
  const changesOf = makeEffectiveChanges({
    before: (await haveRolesChanged(parts.eventStore, from)) ? former! : { ...later!, moment: from },
    after: later!,
    between: (subject) => holderBetween(parts, subject, [from.position, to.position]),
    longWork: parts.longWork,
    owner,
    paced,
  });
  const changes: EffectiveChange[] = [];
  let [lookedAt, shownScopes] = [0, 0];
  const candidates: Iterable<Subject[]> | AsyncIterable<Subject[]> = subjects
    ? [inOrder(subjects, after)]
    : changedSubjects({ ...parts, owner, paced }, { from, to, after });
  for await (const some of candidates) {
    for (let start = 0; start < some.length; start += BATCH_SIZE) {
      const batch = some.slice(start, start + BATCH_SIZE);
      await parts.longWork.untilReady(owner);
      for (const change of await changesOf(batch, scopes)) {
        changes.push(change);
        shownScopes += change.gained.length + change.lost.length;
        if (changes.length === limit || shownScopes > MAX_SCOPES) return { changes, last: change.subject };
      }
      lookedAt += batch.length;
      if (lookedAt >= MAX_LOOKED_AT) return { changes, last: batch.at(-1)! };
    }
  }
  return { changes, last: undefined };
}

/** Whether roles may have changed since a moment. If none has, the earlier state has those of the later one. */
async function haveRolesChanged(eventStore: EventStore, { position }: Moment): Promise<boolean> {
  const last = await eventStore.readLast(ROLES_STREAM);
  return last !== undefined && last.position > position;
}

/** The clients and roles that a request names, each once, after one. */
function inOrder(named: readonly NamedSubject[], after: Subject | undefined): Subject[] {
  const all = new Map<string, Subject>();
  for (const subject of named.map(subjectNamed)) all.set(`${subject.kind}/${subject.id}`, subject);
  return [...all.values()].filter((each) => !after || compareSubjects(each, after) > 0).sort(compareSubjects);
}

function subjectNamed(named: NamedSubject): Subject {
  return 'clientId' in named ? { kind: 'client', id: named.clientId } : { kind: 'role', id: named.roleId };
}

function compareSubjects(one: Subject, other: Subject): number {
  return compareIds(one.kind, other.kind) || compareIds(one.id, other.id);
}

function nameOf({ kind, id }: Subject): NamedSubject {
  return kind === 'client' ? { clientId: id } : { roleId: id };
}

function shown({ subject, gained, lost, causes, expired, isExplained, isTooLarge }: EffectiveChange): object {
  return {
    subject: nameOf(subject),
    gained: gained.slice(0, MAX_SCOPES),
    lost: lost.slice(0, MAX_SCOPES),
    gainedCount: gained.length,
    lostCount: lost.length,
    causes: causes.map(shownCause),
    ...(expired !== undefined && { expired }),
    complete: isExplained && !isTooLarge && gained.length <= MAX_SCOPES && lost.length <= MAX_SCOPES,
  };
}

function shownCause(event: HolderEvent): object {
  const { type, data } = event;
  const subject = 'roleId' in data ? { roleId: data.roleId } : { clientId: data.clientId };
  const { position, at, ...rest } = sourceFrom(event);
  return { position, at, type, subject, ...rest };
}
