import type { EntityValues, ValueName } from '../domain/changes.ts';
import { ValuesAt } from '../domain/valuesAt.ts';
import type { Position } from '../event.ts';
import type { Subject } from './changedSubjects.ts';
import { type HolderEvent, holderEvents } from './holderEvents.ts';
import type { Projector } from './projector.ts';

/** Events of one client or role that are kept, and scopes in them. */
const MAX_EVENTS = 1000;
const MAX_SCOPES = 200_000;
/**
 * Events in the first read: each of a role's holds all of it, and most roles have none between the moments; a client is read
 * this far only if it has some.
 */
const FIRST_PAGE = { client: 8, role: 1 };
/** What decides on the effective scopes of a client, and of a role. */
const NAMES: Record<Subject['kind'], readonly ValueName[]> = {
  client: ['scopes', 'disabled', 'expires'],
  role: ['scopes'],
};

/** What decides on the scopes of a client or role at two moments, undefined while it is not there, and its events between. */
export type HolderBetween = {
  before: EntityValues | undefined;
  after: EntityValues | undefined;
  /** In log order. If there are too many, the latest ones. */
  events: HolderEvent[];
  isWhole: boolean;
  /** Scopes in these events. */
  scopes: number;
};

type Parts = Parameters<typeof holderEvents>[0] & {
  projector: { clients: Pick<Projector['clients'], 'row'> };
};

/**
 * Reads what a client or role was at two positions, the later one not beyond the read models, and what happened in between.
 * Yields after each page of its events, of which it reads as few as needed.
 */
export async function* holderBetween(
  parts: Parts,
  subject: Subject,
  [from, to]: readonly [Position, Position],
): AsyncGenerator<void, HolderBetween> {
  const row = subject.kind === 'client' ? await parts.projector.clients.row(subject.id) : undefined;
  const present = row && row.position <= to ? row.value : undefined;
  const [before, after] = [1, 2].map(() => new ValuesAt(NAMES[subject.kind], present)) as [
    ValuesAt,
    ValuesAt,
  ];
  const events: HolderEvent[] = [];
  let scopes = 0;
  let isWhole = true;
  const result = (): HolderBetween => ({
    before: before.values,
    after: after.values,
    events: events.reverse(),
    isWhole,
    scopes,
  });
  if (present && row!.position <= from) return result();
  for await (const page of holderEvents({ ...parts, firstPage: FIRST_PAGE[subject.kind] }, subject, to)) {
    for (const event of page) {
      after.learnFrom(event);
      if (event.position > from) {
        before.undo(event);
        if (isWhole) scopes += ('scopes' in event.data && event.data.scopes?.length) || 0;
        isWhole &&= events.length < MAX_EVENTS && scopes <= MAX_SCOPES;
        if (isWhole) events.push(event);
      } else before.learnFrom(event);
      if (event.position <= from && before.areKnown && after.areKnown) return result();
    }
    yield;
  }
  before.reachStart();
  after.reachStart();
  return result();
}
