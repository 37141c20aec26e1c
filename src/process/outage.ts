import type { Logger } from 'pino';

/** How often (ms) an outage that goes on is told of. */
const REMIND_EVERY = 60_000;

/** Tells the log of failures that repeat: of the first one, then of one a minute, and of the end. */
export function watchOutage(log: Logger, what: string) {
  let since: number | undefined;
  let told = 0;
  return {
    /** Whether the last that was told is a failure. */
    goesOn: (): boolean => since !== undefined,
    failed(error: unknown): void {
      const now = performance.now();
      since ??= now;
      const isFirst = since === now;
      if (!isFirst && now - told < REMIND_EVERY) return;
      told = now;
      const seconds = Math.round((now - since) / 1000);
      log.warn({ err: error, seconds }, `${what}: trying again until it works`);
    },
    over(): void {
      if (since !== undefined)
        log.info({ seconds: Math.round((performance.now() - since) / 1000) }, `${what}: it works again`);
      since = undefined;
    },
  };
}
