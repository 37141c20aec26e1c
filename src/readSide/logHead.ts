import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { ConfigError } from '../config/configError.ts';
import { LOG_HEAD_FILE } from '../config/dataDirectory.ts';
import type { Position } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { watchOutage } from '../process/outage.ts';
import { draftPrivateFile, replacePrivateFile } from '../process/privateFile.ts';
import { FileGone } from '../storage/watchFiles.ts';

/** How long (ms) a new position waits for later ones before it is written (debounce). */
const WRITE_DELAY = 1000;

/**
 * The position in such a file; undefined if there is no file. Throws ConfigError naming the file if it holds no
 * position.
 */
export function readLogHead(file: string): Position | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const position = /^\{"position":"([0-9a-f]{12}\.\d{20})"\}\s*$/.exec(text)?.[1];
  if (position !== undefined) return position;
  throw new ConfigError(
    `${file} holds no position of the log: restore it, or remove it if you are sure that no older log was restored`,
  );
}

/** Overwrites such a file. Durable when it returns. */
export function writeLogHead(file: string, position: Position): void {
  replacePrivateFile(file, encode(position));
}

/**
 * A log that records its head in a file: at most once a second, after it moved, and on close. So the file may be behind
 * the log, but never ahead of it. `runExclusive` runs work while no other process runs it, so that no process moves the
 * file backwards. A failed write is logged and retried.
 */
export async function recordLogHead(
  eventStore: EventStore,
  { file, runExclusive, log }: { file: string; runExclusive(work: () => void): void; log?: Logger },
): Promise<EventStore> {
  const outage = log && watchOutage(log, `${LOG_HEAD_FILE} could not be written`);
  let furthest = await eventStore.head();
  let written = readLogHead(file) ?? eventStore.start;
  let timer: NodeJS.Timeout | undefined;
  let writing = Promise.resolve();

  async function write(): Promise<void> {
    const position = furthest;
    try {
      const draft = await draftPrivateFile(file, encode(position));
      try {
        runExclusive(() => isBehind(readLogHead(file), position) && draft.replace());
      } finally {
        draft.discard();
      }
      written = position;
      outage?.ended();
    } catch (error) {
      // Reported once, elsewhere, by whoever ends the process.
      if (!(error instanceof FileGone)) outage?.failed(error);
    }
  }

  function scheduleWrite(): void {
    if (furthest <= written) return;
    timer ??= setTimeout(() => {
      writing = write().finally(() => {
        timer = undefined;
        scheduleWrite();
      });
    }, WRITE_DELAY).unref();
  }
  scheduleWrite();

  return {
    ...eventStore,
    async append(writes, metadata) {
      const appended = await eventStore.append(writes, metadata);
      if (appended.position > furthest) furthest = appended.position;
      scheduleWrite();
      return appended;
    },
    async close() {
      clearTimeout(timer);
      await writing;
      clearTimeout(timer);
      if (furthest > written) await write();
      await eventStore.close();
    },
  };
}

/** A position of another log is not overwritten: the next start must find it. */
function isBehind(known: Position | undefined, position: Position): boolean {
  if (known === undefined) return true;
  const [logId] = position.split('.');
  return known.startsWith(`${logId}.`) && known < position;
}

function encode(position: Position): string {
  return `${JSON.stringify({ position })}\n`;
}
