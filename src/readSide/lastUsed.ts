import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ReadStore } from '../readStore/readStore.ts';

/** A client's use is recorded at most this often (ms). */
const PRECISION = 6 * 60 * 60_000;
/**
 * Uses are written in batches, this long (ms) after the first one; if that fails, they are retried after as long again.
 */
const WRITE_DELAY = 1000;
/** Uses in one write: some milliseconds' work. */
const WRITE_BATCH_SIZE = 500;
/** Clients whose last recorded use is remembered, which only saves reading it again. */
const MAX_REMEMBERED = 100_000;
/** The table of the read store that holds them. */
export const LAST_USED_TABLE = 'last-used';

type Created = { clientId: string; created: string };

/**
 * When clients were last used, to a precision of 6 hours. This is telemetry, not history: it is stored beside the
 * projections, and lost with them. The date serves as the row's position, so that a later one always wins.
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

  /** When a client was last used in its present life; when it was created, if it was never used. */
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
    // If it cannot be read now, the use is written anyway: in the store, the later date wins.
    const lastNoted = Date.parse((await read(clientId).catch(() => undefined)) ?? new Date(0).toJSON());
    if (now.getTime() - lastNoted < PRECISION) remembered.set(clientId, lastNoted);
    else addUnwritten(clientId, now.toJSON());
  }

  /** In batches, yielding to the event loop in between. */
  async function write(): Promise<void> {
    while (unwritten.size > 0) {
      const rows = takeFirst(unwritten, WRITE_BATCH_SIZE).map(([key, at]) => ({
        key,
        value: { at },
        position: at,
      }));
      const newest = rows.reduce((latest, { position }) => (position > latest ? position : latest), '');
      await readStore.commit(LAST_USED_TABLE, rows, newest);
      for (const { key, position } of rows) if (unwritten.get(key) === position) unwritten.delete(key);
      await yieldToEventLoop();
    }
  }

  return {
    of,

    /** The same for the answer to a change, which must not fail: when it was created, if nothing can be read. */
    ofChanged: (client: Created): Promise<string> => of(client).catch(() => client.created),

    /** Records that a client was used just now. Nobody waits for it. */
    touch(clientId: string, now: Date): void {
      const lastNoted = remembered.get(clientId);
      if (lastNoted !== undefined && now.getTime() - lastNoted < PRECISION) return;
      if (remembered.size >= MAX_REMEMBERED) remembered.clear();
      remembered.set(clientId, now.getTime());
      void noteUse(clientId, now);
    },

    /** Imports when a client was used in another deployment. */
    import(clientId: string, at: string): void {
      addUnwritten(clientId, at);
    },

    /** Writes what is still unwritten, if possible. */
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
