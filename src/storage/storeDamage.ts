import { existsSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Logger } from 'pino';
import { READ_FILE } from '../config/dataDirectory.ts';
import { StoreDamaged } from './storeErrors.ts';

const LOST =
  'when clients were last used is lost, and the place of the publisher, which publishes everything again';

/** What an operator is to do about a file that is damaged. */
export function repairHint({ file }: StoreDamaged): string {
  return basename(file) === READ_FILE
    ? `stop whatever runs on its directory, remove it and the files beside it (-wal, -shm), and start again: it is built anew from the log; ${LOST}`
    : 'stop whatever runs on its directory, and restore it from a backup';
}

/**
 * Starts what uses the stores in a data directory. Where a file of read models shows at the start that it is damaged, it is put
 * aside, loudly, and all is started once more on a new one.
 */
export async function startRepairingReadModels<T>(
  { dataDir, log }: { dataDir: string; log: Logger },
  start: () => Promise<T>,
): Promise<T> {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof StoreDamaged) || error.file !== join(dataDir, READ_FILE)) throw error;
    const aside = putAside(error.file);
    log.error(
      { err: error, aside },
      `${READ_FILE} is damaged: it was put aside, and is built anew from the log; ${LOST}`,
    );
    return start();
  }
}

/** The files beside it first: a new database must never meet an old one's. */
function putAside(file: string): string {
  const aside = `${file}.damaged-${new Date().toJSON().replaceAll(':', '-')}`;
  for (const end of ['-wal', '-shm', '']) if (existsSync(file + end)) renameSync(file + end, aside + end);
  return aside;
}
