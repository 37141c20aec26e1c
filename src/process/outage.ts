import type { Logger } from 'pino';

/** How often (ms) an outage that goes on is told of. */
const LOG_INTERVAL = 60_000;

/** Tells the log of failures that repeat: of the first one, then of one a minute, and of the end. */
export function watchOutage(log: Logger, what: string) {
  let since: number | undefined;
  let lastLogged = 0;
  return {
    /** Whether the last that was told is a failure. */
    isOngoing: (): boolean => since !== undefined,
    failed(error: unknown): void {
      const now = performance.now();
      since ??= now;
      const isFirst = since === now;
      if (!isFirst && now - lastLogged < LOG_INTERVAL) return;
      lastLogged = now;
      const seconds = Math.round((now - since) / 1000);
      log.warn({ err: error, seconds }, `${what}: trying again until it works`);
    },
    ended(): void {
      if (since !== undefined)
        log.info({ seconds: Math.round((performance.now() - since) / 1000) }, `${what}: it works again`);
      since = undefined;
    },
  };
}
