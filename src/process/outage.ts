import type { Logger } from 'pino';

/** How often (ms) a continuing outage is logged. */
const LOG_INTERVAL = 60_000;

/** Logs repeated failures of one thing: the first one, then one a minute, and the recovery. */
export function watchOutage(log: Logger, what: string) {
  let since: number | undefined;
  let lastLogged = 0;
  return {
    /** Whether an outage is going on. */
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
