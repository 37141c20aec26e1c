import type { Logger } from 'pino';

/** The window of the limit in milliseconds. */
const WINDOW_MS = 1000;
/** How many different values of `countBy` are counted in a window. */
const MAX_COUNTED_VALUES = 20;

/**
 * Limits log lines of one kind to `maxPerSecond`, so that nobody can fill the disk by causing them. One more line says
 * how many were left out, and with `countBy` how many of these had which value of that field. It counts towards the
 * next second.
 */
export function limitLogLines(
  log: Logger,
  { maxPerSecond, message, countBy }: { maxPerSecond: number; message: string; countBy?: string },
): (fields: object) => void {
  let written = 0;
  let leftOut = 0;
  let windowStart = -Infinity;
  const counts = new Map<string, number>();

  function reportLeftOut(): void {
    log.info(
      { leftOut, ...(countBy && { [countBy]: Object.fromEntries(counts) }) },
      `${message}: more in the last second`,
    );
    counts.clear();
    leftOut = 0;
    written = 1;
    windowStart = performance.now();
  }

  function count(fields: Record<string, unknown>): void {
    leftOut += 1;
    if (countBy === undefined) return;
    const value = String(fields[countBy]);
    if (counts.has(value) || counts.size < MAX_COUNTED_VALUES)
      counts.set(value, (counts.get(value) ?? 0) + 1);
  }

  return (fields) => {
    const now = performance.now();
    if (leftOut === 0 && now - windowStart >= WINDOW_MS) {
      written = 0;
      windowStart = now;
    }
    if (written < maxPerSecond) {
      written += 1;
      log.info(fields, message);
      return;
    }
    count(fields as Record<string, unknown>);
    // Not unref'd: the process must not exit before the summary is logged.
    if (leftOut === 1) setTimeout(reportLeftOut, windowStart + WINDOW_MS - now);
  };
}
