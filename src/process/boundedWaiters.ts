import type { Position } from '../event.ts';

/** Requests that may wait at once; more are sent away. */
const MAX_WAITING = 10_000;

/** Where requests wait until this node holds a position: at most so many, and so many of each caller. */
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
    /** Whether as many of a caller wait as may. */
    isFullFor,
    /** Resolves with true when the position was reached, with false after `within` ms (Infinity: never), when the room is full or when it closes. */
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
    /** Lets everybody go on who waits for this position or an earlier one. */
    resolveUpTo(position: Position): void {
      for (const entry of waiting) if (entry.position <= position) entry.resolve(true);
    },
    /** Sends everybody away. */
    close(): void {
      for (const entry of waiting) entry.resolve(false);
    },
  };
}
