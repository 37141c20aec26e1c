import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ReadStore } from '../readStore/readStore.ts';

/** A client's use is noted at most this often (ms). */
const PRECISION = 6 * 60 * 60_000;
/** Uses are written this long (ms) after the first of them, many at once; where that fails, after as long again. */
const WRITE_DELAY = 1000;
/** Uses that are written at a time: some milliseconds' work. */
const WRITE_BATCH_SIZE = 500;
/** Clients whose last note is kept in mind; it only spares reading it again. */
const MAX_REMEMBERED = 100_000;
/** Where they lie in the read store. */
export const LAST_USED_TABLE = 'last-used';

type Created = { clientId: string; created: string };

/**
 * When clients were last used, to 6 hours. This is telemetry, not history: it lies beside the projections, and is lost
 * with them. The date stands in the place of the position, so that a later one always wins.
 */
export function openLastUsed(readStore: ReadStore, log: Logger) {
  const remembered = new Map<string, number>();
  const unwritten = new Map<string, string>();
  let timer: NodeJS.Timeout | undefined;

  async function read(clientId: string): Promise<string | undefined> {
    return (
      unwritten.get(clientId) ?? (await readStore.get<{ at: string }>(LAST_USED_TABLE, clientId))?.value?.at
    );
  }

  /** When a client was last used in its present life; when it was created, if never. */
  async function of({ clientId, created }: Created): Promise<string> {
    const at = await read(clientId);
    return at !== undefined && at > created ? at : created;
  }

  function logNotWritten(error: unknown): void {
    log.warn({ err: error }, 'when clients were last used was not written');
  }

  function addUnwritten(clientId: string, at: string): void {
    unwritten.set(clientId, at);
    scheduleWrite();
  }

  function scheduleWrite(): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      write().catch((error: unknown) => (logNotWritten(error), scheduleWrite()));
    }, WRITE_DELAY).unref();
  }

  async function noteUse(clientId: string, now: Date): Promise<void> {
    // What cannot be read now is written: a later date wins there.
    const lastNoted = Date.parse((await read(clientId).catch(() => undefined)) ?? new Date(0).toJSON());
    if (now.getTime() - lastNoted < PRECISION) remembered.set(clientId, lastNoted);
    else addUnwritten(clientId, now.toJSON());
  }

  /** Some at a time: whoever else waits for this process gets a turn in between. */
  async function write(): Promise<void> {
    while (unwritten.size > 0) {
      const rows = takeFirst(unwritten, WRITE_BATCH_SIZE).map(([key, at]) => ({
        key,
        value: { at },
        position: at,
      }));
      const newest = rows.reduce((most, { position }) => (position > most ? position : most), '');
      await readStore.commit(LAST_USED_TABLE, rows, newest);
      for (const { key, position } of rows) if (unwritten.get(key) === position) unwritten.delete(key);
      await yieldToEventLoop();
    }
  }

  return {
    of,

    /** The same for who has just changed the client, and is not told of an error: when it was created, if nothing can be read. */
    ofChanged: (client: Created): Promise<string> => of(client).catch(() => client.created),

    /** Notes that a client was used just now. Nobody waits for that. */
    touch(clientId: string, now: Date): void {
      const lastNoted = remembered.get(clientId);
      if (lastNoted !== undefined && now.getTime() - lastNoted < PRECISION) return;
      if (remembered.size >= MAX_REMEMBERED) remembered.clear();
      remembered.set(clientId, now.getTime());
      void noteUse(clientId, now);
    },

    /** Takes over when a client was used in another deployment. */
    import(clientId: string, at: string): void {
      addUnwritten(clientId, at);
    },

    /** Writes what is not written yet, if it can be. */
    async close(): Promise<void> {
      clearTimeout(timer);
      await write().catch(logNotWritten);
    },
  };
}

function takeFirst<Key, Value>(map: ReadonlyMap<Key, Value>, count: number): [Key, Value][] {
  const first: [Key, Value][] = [];
  for (const entry of map) {
    if (first.length === count) break;
    first.push(entry);
  }
  return first;
}

export type LastUsed = ReturnType<typeof openLastUsed>;
