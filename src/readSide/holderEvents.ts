import { rolePrefix } from '../../projections/roleHistory.ts';
import type { ClientEvent } from '../../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../../schemas/events/roleEvents.ts';
import type { Position, Recorded } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { clientStream, ROLES_STREAM } from '../eventStore/streams.ts';
import type { Subject } from './changedSubjects.ts';
import type { Projector } from './projector.ts';

/** An event of a client or role. */
export type HolderEvent = Recorded<ClientEvent | RoleEvent>;

/** Events in the first read, which mostly suffices, and in later ones. */
const FIRST_PAGE = 8;
const PAGE_SIZE = 100;

type Parts = { projector: Pick<Projector, 'roleHistory'>; eventStore: Pick<EventStore, 'readBackwards'> };

/** The events of a client or role up to a position, newest first, page by page. */
export function holderEvents(
  { projector, eventStore }: Parts,
  { kind, id }: Subject,
  upTo: Position,
): AsyncGenerator<HolderEvent[]> {
  return kind === 'client' ? eventsOfClient() : eventsOfRole();

  async function* eventsOfClient(): AsyncGenerator<HolderEvent[]> {
    let beforeRevision: number | undefined;
    for (let limit = FIRST_PAGE; ; limit = PAGE_SIZE) {
      const options = { limit, ...(beforeRevision !== undefined && { beforeRevision }) };
      const { events, reachesStart } = await eventStore.readBackwards(clientStream(id), options);
      yield events.filter(({ position }) => position <= upTo) as HolderEvent[];
      if (reachesStart || events.length === 0) return;
      beforeRevision = events.at(-1)!.revision;
    }
  }

  async function* eventsOfRole(): AsyncGenerator<HolderEvent[]> {
    const prefix = rolePrefix(id);
    // Behind that position.
    let before: string | undefined = `${prefix}${upTo}\n`;
    for (let limit = FIRST_PAGE; before !== undefined; limit = PAGE_SIZE) {
      const page = await projector.roleHistory.list({ prefix, before, limit, descending: true });
      yield page.rows.map(({ value }) => ({ ...value, stream: ROLES_STREAM }) as HolderEvent);
      before = page.last;
    }
  }
}
