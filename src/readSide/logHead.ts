import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { ConfigError } from '../config/configError.ts';
import type { Position } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { watchOutage } from '../process/outage.ts';
import { draftPrivateFile, replacePrivateFile } from '../process/privateFile.ts';
import { FileGone } from '../storage/watchFiles.ts';

/** Where the furthest position that was given to anybody is kept, in the data directory, apart from the log itself. */
export const LOG_HEAD_FILE = 'log-head.json';

/** How long (ms) a new position waits for later ones before it is written. */
const WRITE_DELAY = 1000;

/** The position in such a file; undefined where there is none. Throws ConfigError naming the file when it holds none. */
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

/** Writes such a file anew, whatever it held. It is durable when this returns. */
export function writeLogHead(file: string, position: Position): void {
  replacePrivateFile(file, encode(position));
}

/**
 * A log that notes in a file how far it has come: at most once a second, when it moved, and when it is closed. So the file may
 * be behind the log, and never ahead of it. `alone` runs a piece of work while no other process does the same: of several,
 * none moves the file backwards. What cannot be written is told to the log of the process, and tried again.
 */
export async function keepLogHead(
  eventStore: EventStore,
  { file, alone, log }: { file: string; alone(work: () => void): void; log?: Logger },
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
        alone(() => isBehind(readLogHead(file), position) && draft.replace());
      } finally {
        draft.discard();
      }
      written = position;
      outage?.ended();
    } catch (error) {
      // Of that, the operator is told once, and elsewhere.
      if (!(error instanceof FileGone)) outage?.failed(error);
    }
  }

  function plan(): void {
    if (furthest <= written) return;
    timer ??= setTimeout(() => {
      writing = write().finally(() => {
        timer = undefined;
        plan();
      });
    }, WRITE_DELAY).unref();
  }
  plan();

  return {
    ...eventStore,
    async append(writes, metadata) {
      const appended = await eventStore.append(writes, metadata);
      if (appended.position > furthest) furthest = appended.position;
      plan();
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

/** Another log's position is not overwritten: whoever finds it at the next start is to know. */
function isBehind(known: Position | undefined, position: Position): boolean {
  if (known === undefined) return true;
  const [logId] = position.split('.');
  return known.startsWith(`${logId}.`) && known < position;
}

function encode(position: Position): string {
  return `${JSON.stringify({ position })}\n`;
}
