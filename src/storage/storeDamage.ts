import { existsSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Logger } from 'pino';
import { READ_FILE } from '../config/dataDirectory.ts';
import { StoreDamaged } from './storeErrors.ts';

const LOST =
  'when clients were last used is lost, and the place of the publisher, which publishes everything again';

/** What the operator should do about a damaged file. */
export function repairHint({ file }: StoreDamaged): string {
  return basename(file) === READ_FILE
    ? `stop whatever runs on its directory, remove it and the files beside it (-wal, -shm), and start again: it is built anew from the log; ${LOST}`
    : 'stop whatever runs on its directory, and restore it from a backup';
}

/**
 * Starts a program that uses the stores in a data directory. If the read models' file turns out to be damaged, it is
 * set aside, an error is logged, and the program is started once more: it builds the read models anew.
 */
export async function startWithRepair<T>(
  { dataDir, log }: { dataDir: string; log: Logger },
  start: () => Promise<T>,
): Promise<T> {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof StoreDamaged) || error.file !== join(dataDir, READ_FILE)) throw error;
    const aside = setAside(error.file);
    log.error(
      { err: error, aside },
      `${READ_FILE} is damaged: it was put aside, and is built anew from the log; ${LOST}`,
    );
    return start();
  }
}

/** Companion files first: a new database must never find those of the old one. */
function setAside(file: string): string {
  const aside = `${file}.damaged-${new Date().toJSON().replaceAll(':', '-')}`;
  for (const suffix of ['-wal', '-shm', ''])
    if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix);
  return aside;
}
