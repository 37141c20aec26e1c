import type { Position } from './event.ts';

/** Requests that may wait at once; more are sent away. */
const MOST_WAITING = 10_000;

/** Where requests wait until this node holds a position. */
export function waitingRoom() {
  const waiting = new Set<{ position: Position; resolve: (reached: boolean) => void }>();
  return {
    /** Resolves with true when the position was reached, with false after `within` ms (Infinity: never), when the room is full or when it closes. */
    wait(position: Position, within: number): Promise<boolean> {
      if (waiting.size >= MOST_WAITING) return Promise.resolve(false);
      return new Promise((resolve) => {
        const timer = within === Infinity ? undefined : setTimeout(() => leave(false), within);
        const leave = (reached: boolean): void => {
          clearTimeout(timer);
          waiting.delete(entry);
          resolve(reached);
        };
        const entry = { position, resolve: leave };
        waiting.add(entry);
      });
    },
    /** Lets everybody go on who waits for this position or an earlier one. */
    admit(position: Position): void {
      for (const entry of waiting) if (entry.position <= position) entry.resolve(true);
    },
    /** Sends everybody away. */
    close(): void {
      for (const entry of waiting) entry.resolve(false);
    },
  };
}
