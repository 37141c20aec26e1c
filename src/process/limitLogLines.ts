import type { Logger } from 'pino';

/** How long (ms) so many lines are let through. */
const WINDOW_MS = 1000;
/** Values of a field that are told apart among what was left out. */
const MAX_COUNTED_VALUES = 20;

/**
 * Writes lines of one kind, at most `most` in a second, so that whoever causes them cannot fill a disk. How many more there
 * were is said in a line of its own, which counts as one of the next second; with `countBy` also how many of them had which
 * value of that field.
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
    // The process does not end before it is told.
    if (leftOut === 1) setTimeout(reportLeftOut, windowStart + WINDOW_MS - now);
  };
}
