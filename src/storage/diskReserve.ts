import { randomBytes } from 'node:crypto';
import { rmSync, statfsSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { StoreFull } from './storeErrors.ts';

/** The file whose bytes are given back to the disk, in the data directory. */
export const DISK_RESERVE_FILE = 'disk-reserve';

const MIB = 1024 * 1024;
/** How often (ms) it is looked whether a reserve that was used can be made again. */
const LOOK_EVERY = 2000;
/** A reserve that nothing was written to for so long (ms) was left by a process that ended while it made it. */
const LEFT_BEHIND = 60_000;
/** What must be free to make the reserve, in reserves: more than what it gave back itself. */
const NEEDED = 1.5;
/** A reserve is no larger than this part of the disk: a small one is to hold other things, too. */
const LARGEST_PART = 1 / 4;
/** Space is low with less free than another reserve, or than this part of the disk, up to so many bytes. */
const LOW = { part: 0.05, most: 1024 * MIB };

/**
 * Bytes that are kept for taking rights away while the disk is full. All databases in a data directory, the files beside them and
 * all processes share it.
 */
export type DiskReserve = {
  /**
   * Writes. What `revokes` is written once more when the disk was full, after the reserve was given back to it, so that doing it
   * twice must be as good as once. Anything else rejects with StoreFull, without being done, while the reserve is used.
   */
  writing<T>(revokes: boolean, write: () => Promise<T>): Promise<T>;
  isUsed(): boolean;
  /** What an operator is to know of while space is low. */
  warning(): string | undefined;
  close(): Promise<void>;
};

/** Where nothing is kept: the stores are elsewhere, or nobody wants a reserve. */
export const noDiskReserve: DiskReserve = {
  writing: (_, write) => write(),
  isUsed: () => false,
  warning: () => undefined,
  close: async () => undefined,
};

/** Keeps so many bytes in a directory, or a quarter of a smaller disk, and makes them again when there is space again. */
export async function keepDiskReserve(
  directory: string,
  { bytes: most, log }: { bytes: number; log: Logger },
): Promise<DiskReserve> {
  if (most === 0) return noDiskReserve;
  const bytes = Math.min(most, Math.floor(LARGEST_PART * spaceOn(directory).size));
  const file = join(directory, DISK_RESERVE_FILE);
  const isUsed = (): boolean => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) < bytes;

  async function makeAgain(): Promise<void> {
    if (!isUsed() || spaceOn(directory).free < NEEDED * bytes) return;
    if (await makeReserve(file, bytes))
      log.info({ file, bytes }, 'the reserve for a full disk is made: everything can be changed');
  }

  let making = makeAgain().catch(tell);
  await making;
  if (isUsed()) log.warn({ file, bytes }, `${USED}. DISK_RESERVE may ask for less`);
  const timer = setInterval(() => (making = making.then(makeAgain).catch(tell)), LOOK_EVERY).unref();

  function tell(error: unknown): void {
    log.warn({ err: error, file }, 'the reserve for a full disk could not be made: it is tried again');
  }

  return {
    async writing(revokes, write) {
      if (!revokes) {
        if (isUsed()) throw new StoreFull(USED);
        return write();
      }
      try {
        return await write();
      } catch (error) {
        if (!(error instanceof StoreFull)) throw error;
        // Another process may have given it back just now: then there is space, too.
        if (!isUsed()) log.warn({ err: error, file }, USED);
        rmSync(file, { force: true });
        return write();
      }
    },
    isUsed,
    warning() {
      const { free, size } = spaceOn(directory);
      const low = Math.max(bytes, Math.min(LOW.part * size, LOW.most));
      return free < low
        ? `space is low: ${Math.floor(free / MIB)} MiB are left on the disk. Without any, rights can only be taken away`
        : undefined;
    },
    async close() {
      clearInterval(timer);
      await making;
    },
  };
}

const USED =
  'the disk is full, and its reserve is in use: until there is space again, clients can be disabled, deleted and given new ' +
  'tokens, and roles can be deleted, but nothing else can be changed';

/** Bytes that a file system has left for whoever is not root, and all that it has. */
function spaceOn(directory: string): { free: number; size: number } {
  const { bavail, blocks, bsize } = statfsSync(directory);
  return { free: bavail * bsize, size: blocks * bsize };
}

/** Of bytes that no file system can leave out, or write shorter than they are. Of several processes, one makes it; answers whether this one did. */
async function makeReserve(file: string, bytes: number): Promise<boolean> {
  const draft = `${file}.new`;
  const handle = await open(draft, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
    if (isOlderThan(draft, LEFT_BEHIND)) rmSync(draft, { force: true });
  });
  if (!handle) return false;
  try {
    const block = randomBytes(MIB);
    for (let left = bytes; left > 0; left -= MIB) await handle.appendFile(block.subarray(0, left));
    await rename(draft, file);
    return true;
  } finally {
    await handle.close();
    await rm(draft, { force: true });
  }
}

function isOlderThan(file: string, ms: number): boolean {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats !== undefined && Date.now() - stats.mtimeMs > ms;
}
