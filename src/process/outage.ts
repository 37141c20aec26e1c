import type { Logger } from 'pino';

/** How often (ms) a continuing outage is logged. */
const LOG_INTERVAL = 60_000;

/**
 * Logs repeated failures of one thing: the first one, then one a minute, and the recovery. With `once`, later failures of
 * an outage are logged only if their message is another.
 */
export function watchOutage(log: Logger, what: string, { once = false } = {}) {
  let since: number | undefined;
  let lastLogged = 0;
  let lastMessage: string | undefined;
  return {
    /** Whether an outage is going on. */
    isOngoing: (): boolean => since !== undefined,
    failed(error: unknown): void {
      const now = performance.now();
      since ??= now;
      const message = error instanceof Error ? error.message : undefined;
      const isRepeated = once ? message === lastMessage : now - lastLogged < LOG_INTERVAL;
      if (since !== now && isRepeated) return;
      lastLogged = now;
      lastMessage = message;
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
