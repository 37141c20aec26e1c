import type { Position, Recorded } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { clientStream, credentialsStream, ROLES_STREAM } from '../eventStore/streams.ts';

/** Events of a stream in one read. */
const PAGE_SIZE = 500;

/** What to read: events of one client, role or guarded service or of all, by one actor or by all, after a position. */
export type HistoryQuery = {
  client?: string;
  role?: string;
  service?: string;
  actor?: string;
  after?: Position;
  limit?: number;
};

/**
 * The events that are in the log now, oldest first. If all are of one stream, only that stream is read. Throws
 * UnknownPosition if `after` belongs to another log.
 */
export async function* logHistory(
  eventStore: EventStore,
  query: HistoryQuery,
): AsyncGenerator<Recorded, void, undefined> {
  const { limit = Infinity } = query;
  const head = await eventStore.head();
  const stream = streamOf(query);
  const events = stream === undefined ? readLog(eventStore, query) : readStream(eventStore, stream);
  let yielded = 0;
  for await (const event of events) {
    if (event.position > head) return;
    if (!matches(event, query)) continue;
    yield event;
    yielded += 1;
    if (yielded >= limit) return;
  }
}

function streamOf({ client, role, service }: HistoryQuery): string | undefined {
  if (client !== undefined) return clientStream(client);
  if (service !== undefined) return credentialsStream(service);
  return role === undefined ? undefined : ROLES_STREAM;
}

function matches({ data, metadata, position }: Recorded, { role, actor, after }: HistoryQuery): boolean {
  return (
    (role === undefined || (data as { roleId?: string }).roleId === role) &&
    (actor === undefined || metadata.actor === actor) &&
    (after === undefined || position > after)
  );
}

async function* readStream(
  eventStore: EventStore,
  stream: string,
): AsyncGenerator<Recorded, void, undefined> {
  for (let fromRevision = 0; ;) {
    const { events, revision } = await eventStore.read(stream, { fromRevision, limit: PAGE_SIZE });
    yield* events;
    fromRevision += events.length;
    if (revision === 'none' || fromRevision > revision) return;
  }
}

async function* readLog(
  eventStore: EventStore,
  { after }: HistoryQuery,
): AsyncGenerator<Recorded, void, undefined> {
  const done = new AbortController();
  try {
    for await (const { events, live } of eventStore.subscribe({ after, signal: done.signal })) {
      yield* events;
      if (live) return;
    }
  } finally {
    done.abort();
  }
}
