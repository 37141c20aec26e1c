import type { Position } from '../event.ts';

/** How many requests may wait at once by default; more are refused. */
const MAX_WAITING = 10_000;

/** Requests that wait until this node holds a position: at most `max`, and `maxPerCaller` of each caller. */
export function boundedWaiters({ max = MAX_WAITING, maxPerCaller = Infinity } = {}) {
  const waiting = new Set<{ position: Position; resolve: (reached: boolean) => void }>();
  const counts = new Map<string, number>();

  function count(caller: string, change: 1 | -1): void {
    const left = (counts.get(caller) ?? 0) + change;
    if (left > 0) counts.set(caller, left);
    else counts.delete(caller);
  }

  const isFullFor = (caller: string): boolean => (counts.get(caller) ?? 0) >= maxPerCaller;

  return {
    /** Whether a caller has reached its limit. */
    isFullFor,
    /**
     * Resolves to true when the position is reached; to false after `timeout` ms (Infinity: never), if a limit is
     * reached, or on `close`.
     */
    wait(position: Position, timeout: number, caller = ''): Promise<boolean> {
      if (waiting.size >= max || isFullFor(caller)) return Promise.resolve(false);
      return new Promise((resolve) => {
        const timer = timeout === Infinity ? undefined : setTimeout(() => settle(false), timeout);
        const settle = (reached: boolean): void => {
          clearTimeout(timer);
          if (!waiting.delete(entry)) return;
          count(caller, -1);
          resolve(reached);
        };
        const entry = { position, resolve: settle };
        waiting.add(entry);
        count(caller, 1);
      });
    },
    /** Resolves all that wait for this position or an earlier one. */
    resolveUpTo(position: Position): void {
      for (const entry of waiting) if (entry.position <= position) entry.resolve(true);
    },
    /** Resolves all waiting requests to false. */
    close(): void {
      for (const entry of waiting) entry.resolve(false);
    },
  };
}
