import { randomBytes } from 'node:crypto';
import { rmSync, statfsSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { StoreFull } from './storeErrors.ts';

/** The reserve file, in the data directory. Removing it frees its bytes. */
export const DISK_RESERVE_FILE = 'disk-reserve';

const MIB = 1024 * 1024;
/** How often (ms) the reserve is recreated if it was released and there is space again. */
const RETRY_INTERVAL = 2000;
/** A draft that was not written to for this long (ms) was left behind by a process that ended while it created one. */
const DRAFT_ABANDONED_AFTER = 60_000;
/** Free space needed to create the reserve, as a multiple of its size: more than what its own release freed. */
const REQUIRED_FREE_FACTOR = 1.5;
/** The largest share of the disk that the reserve may take: a small disk must hold other things, too. */
const MAX_DISK_SHARE = 1 / 4;
/** Space is low when less is free than another reserve, or than this share of the disk, capped at `maxBytes`. */
const LOW_SPACE = { diskShare: 0.05, maxBytes: 1024 * MIB };

/**
 * Disk space that is set aside so that rights can still be taken away while the disk is full. All databases in a data
 * directory, the files beside them and all processes share one reserve.
 */
export type DiskReserve = {
  /**
   * Runs a write. If a write that `revokes` finds the disk full, the reserve is released and the write is run once
   * more, so it must be idempotent. Any other write rejects with StoreFull, without being run, while the reserve is in
   * use.
   */
  runWrite<T>(revokes: boolean, write: () => Promise<T>): Promise<T>;
  isUsed(): boolean;
  /** A warning for the operator while space is low; undefined otherwise. */
  warning(): string | undefined;
  close(): Promise<void>;
};

/** No reserve: the stores are elsewhere, or it is turned off. */
export const noDiskReserve: DiskReserve = {
  runWrite: (_, write) => write(),
  isUsed: () => false,
  warning: () => undefined,
  close: async () => undefined,
};

/**
 * Sets aside `bytes` in a directory, or a quarter of the disk if that is less, and sets them aside again once there is
 * space again.
 */
export async function openDiskReserve(
  directory: string,
  { bytes: maxBytes, log }: { bytes: number; log: Logger },
): Promise<DiskReserve> {
  if (maxBytes === 0) return noDiskReserve;
  const bytes = Math.min(maxBytes, Math.floor(MAX_DISK_SHARE * diskSpace(directory).size));
  const file = join(directory, DISK_RESERVE_FILE);
  const isUsed = (): boolean => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) < bytes;

  async function recreate(): Promise<void> {
    if (!isUsed() || diskSpace(directory).free < REQUIRED_FREE_FACTOR * bytes) return;
    if (await createReserve(file, bytes))
      log.info({ file, bytes }, 'the reserve for a full disk is made: everything can be changed');
  }

  let recreating = recreate().catch(logFailure);
  await recreating;
  if (isUsed()) log.warn({ file, bytes }, `${IN_USE}. DISK_RESERVE may ask for less`);
  const timer = setInterval(
    () => (recreating = recreating.then(recreate).catch(logFailure)),
    RETRY_INTERVAL,
  ).unref();

  function logFailure(error: unknown): void {
    log.warn({ err: error, file }, 'the reserve for a full disk could not be made: it is tried again');
  }

  return {
    async runWrite(revokes, write) {
      if (!revokes) {
        if (isUsed()) throw new StoreFull(IN_USE);
        return write();
      }
      try {
        return await write();
      } catch (error) {
        if (!(error instanceof StoreFull)) throw error;
        // If another process has just released the reserve, there is space as well.
        if (!isUsed()) log.warn({ err: error, file }, IN_USE);
        rmSync(file, { force: true });
        return write();
      }
    },
    isUsed,
    warning() {
      const { free, size } = diskSpace(directory);
      const threshold = Math.max(bytes, Math.min(LOW_SPACE.diskShare * size, LOW_SPACE.maxBytes));
      return free < threshold
        ? `space is low: ${Math.floor(free / MIB)} MiB are left on the disk. Without any, rights can only be taken away`
        : undefined;
    },
    async close() {
      clearInterval(timer);
      await recreating;
    },
  };
}

const IN_USE =
  'the disk is full, and its reserve is in use: until there is space again, clients can be disabled, deleted and given new ' +
  'tokens, and roles can be deleted, but nothing else can be changed';

/** Bytes of a file system: those that are free for users other than root, and all. */
function diskSpace(directory: string): { free: number; size: number } {
  const { bavail, blocks, bsize } = statfsSync(directory);
  return { free: bavail * bsize, size: blocks * bsize };
}

/**
 * Writes random bytes, which no file system can store sparsely or compressed. Of several processes, one creates the
 * file; returns whether this one did.
 */
async function createReserve(file: string, bytes: number): Promise<boolean> {
  const draft = `${file}.new`;
  const handle = await open(draft, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
    if (isOlderThan(draft, DRAFT_ABANDONED_AFTER)) rmSync(draft, { force: true });
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
