import type { Logger } from 'pino';

/** How long (ms) so many lines are let through. */
const WINDOW = 1000;

/**
 * Writes lines of one kind, at most `most` in a second, so that whoever causes them cannot fill a disk. How many more there
 * were is said in a line of its own, which counts as one of the next second.
 */
export function limitLines(
  log: Logger,
  { most, message }: { most: number; message: string },
): (fields: object) => void {
  let written = 0;
  let leftOut = 0;
  let opened = -Infinity;

  function tellLeftOut(): void {
    log.info({ leftOut }, `${message}: more in the last second`);
    leftOut = 0;
    written = 1;
    opened = performance.now();
  }

  return (fields) => {
    const now = performance.now();
    if (leftOut === 0 && now - opened >= WINDOW) {
      written = 0;
      opened = now;
    }
    if (written < most) {
      written += 1;
      log.info(fields, message);
      return;
    }
    leftOut += 1;
    if (leftOut === 1) setTimeout(tellLeftOut, opened + WINDOW - now).unref();
  };
}
