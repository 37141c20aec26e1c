import type { Logger } from 'pino';
import { isExpired } from '../domain/client.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import type { Projector } from '../readSide/projector.ts';
import { PURGE_TABLE } from '../readSide/underivedTables.ts';
import type { ReadStore } from '../readStore/readStore.ts';

const ROW_KEY = 'clock';

/** When purging was paused, and when an operator last confirmed the clock. Both are times of that clock. */
type PurgeState = { waitsSince?: string; vouchedAt?: string };

type Parts = { eventStore: EventStore; projector: Projector; readStore: ReadStore; log: Logger };

export type PurgeGap = ReturnType<typeof watchPurgeGap>;

/**
 * Protects automatic purging from a wrong clock, because purged clients cannot be restored. Purging pauses if there is
 * something to purge while the clock is more than `maxGap` (ms) ahead of the newest event, or of this process's last
 * check. The pause holds on all nodes and across restarts, whatever is changed by the same clock, until an operator
 * confirms that the clock is right.
 */
export function watchPurgeGap({ eventStore, projector, readStore, log }: Parts, maxGap: number) {
  let hasWarned = false;
  let lastCheckedAt: string | undefined;

  /** Checks the clock. Returns when purging was paused; undefined if it is not. */
  async function pausedSince(now = new Date()): Promise<string | undefined> {
    const before = lastCheckedAt;
    lastCheckedAt = now.toJSON();
    const clock = (await readStore.get<PurgeState>(PURGE_TABLE, ROW_KEY))?.value ?? {};
    if (clock.waitsSince !== undefined) return clock.waitsSince;
    const { vouchedAt } = clock;
    const newest = (await eventStore.newest())?.metadata.at;
    const isAhead = [newest, before].some(
      (at) => at !== undefined && isFarBefore(latest(at, vouchedAt), now),
    );
    if (!isAhead || !(await hasExpired(projector, now))) return undefined;
    await write({ ...clock, waitsSince: now.toJSON() });
    return now.toJSON();
  }

  function isFarBefore(at: string, now: Date): boolean {
    return now.getTime() - Date.parse(at) > maxGap;
  }

  /** The position is a counter rather than a time, so that a later write wins even if the clock was set back. */
  async function write(value: PurgeState): Promise<void> {
    const former = await readStore.get(PURGE_TABLE, ROW_KEY);
    const position = String(Number(former?.position ?? 0) + 1).padStart(20, '0');
    await readStore.commit(PURGE_TABLE, [{ key: ROW_KEY, value, position }], position);
  }

  return {
    pausedSince,
    /** Checks the clock. Returns whether purging is paused, and logs a warning at the first time. */
    async isPaused(): Promise<boolean> {
      const since = await pausedSince();
      if (since !== undefined && !hasWarned)
        log.warn(
          { waitsSince: since, maxGapDays: maxGap / (24 * 60 * 60_000) },
          'the clock was further ahead of the newest change than PURGE_MAX_GAP: expired clients do not authenticate, but are not ' +
            "purged until `authledger purge-expired` is run. See first that this machine's clock is right: what is purged does not " +
            'come back',
        );
      hasWarned = since !== undefined;
      return hasWarned;
    },
    /** Records that the clock is right, which ends a pause. */
    confirmClock: (now = new Date()): Promise<void> => write({ vouchedAt: now.toJSON() }),
  };
}

function latest(date: string, other: string | undefined): string {
  return other !== undefined && other > date ? other : date;
}

async function hasExpired({ clients }: Projector, now: Date): Promise<boolean> {
  for await (const { value: client } of clients.all())
    if (client.deleteOnExpiration && isExpired(client, now)) return true;
  return false;
}
