import { rolePrefix } from '../../projections/roleHistory.ts';
import type { ClientEvent } from '../../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../../schemas/events/roleEvents.ts';
import type { Position, Recorded } from '../event.ts';
import type { BackwardsPage, EventStore } from '../eventStore/eventStore.ts';
import { clientStream, ROLES_STREAM } from '../eventStore/streams.ts';
import type { Paced } from '../process/paced.ts';
import type { Subject } from './changedSubjects.ts';
import { countUpTo } from './countUpTo.ts';
import type { Projector } from './projector.ts';

/** An event of a client or role. */
export type HolderEvent = Recorded<ClientEvent | RoleEvent>;

/** Events in the first read, which mostly suffices, and in later ones, at most: each reads several times as many. */
const FIRST_PAGE = 8;
const PAGE_SIZE = 100;
const GROWTH = 8;

type Parts = {
  projector: Pick<Projector, 'roleHistory'>;
  eventStore: Pick<EventStore, 'readBackwards'>;
  /** For readers that do not pace the reads themselves. */
  paced?: Paced;
  /** Events in the first read. */
  firstPage?: number;
};

/**
 * The events of a client or role up to a position, newest first, page by page. Later ones are not read, but for a few in
 * the first page, which may therefore be short or empty.
 */
export function holderEvents(
  { projector, eventStore, paced = (read) => read(), firstPage = FIRST_PAGE }: Parts,
  { kind, id }: Subject,
  upTo: Position,
): AsyncGenerator<HolderEvent[]> {
  return kind === 'client' ? eventsOfClient() : eventsOfRole();

  async function* eventsOfClient(): AsyncGenerator<HolderEvent[]> {
    const stream = clientStream(id);
    const read = (limit: number, beforeRevision?: number): Promise<BackwardsPage> =>
      paced(() => eventStore.readBackwards(stream, { beforeRevision, limit }));
    const at = async (revision: number): Promise<Recorded | undefined> =>
      (await read(1, revision + 1)).events[0];
    let beforeRevision: number | undefined;
    for (let limit = firstPage; ; limit = next(limit)) {
      const { events, reachesStart } = await read(limit, beforeRevision);
      const oldest = events.at(-1);
      if (!oldest) return;
      yield events.filter(({ position }) => position <= upTo) as HolderEvent[];
      if (reachesStart) return;
      beforeRevision =
        oldest.position > upTo ? await countUpTo(upTo, { length: oldest.revision, at }) : oldest.revision;
      if (beforeRevision === 0) return;
    }
  }

  async function* eventsOfRole(): AsyncGenerator<HolderEvent[]> {
    const prefix = rolePrefix(id);
    // Behind that position.
    let before: string | undefined = `${prefix}${upTo}\n`;
    for (let limit = firstPage; before !== undefined; limit = next(limit)) {
      const from: string = before;
      const page = await paced(() =>
        projector.roleHistory.list({ prefix, before: from, limit, descending: true }),
      );
      yield page.rows.map(({ value }) => ({ ...value, stream: ROLES_STREAM }) as HolderEvent);
      before = page.last;
    }
  }
}

function next(limit: number): number {
  return Math.min(GROWTH * limit, PAGE_SIZE);
}
