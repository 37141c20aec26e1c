import type { Logger } from 'pino';
import { watchOutage } from '../process/outage.ts';
import { StoreUnavailable } from './storeErrors.ts';

/**
 * How long (ms) a cause counts as current. During a long outage it may become another: a server that was down comes back
 * with a certificate that has expired.
 */
const CAUSE_LIFETIME = 60_000;

/** Why a server cannot be used. The cause is looked for seldom, because that costs a connection. */
export type OutageCause = {
  /** Resolves to the cause of the outage that goes on. `find` looks for it at its first failure, and once a minute. */
  failed(find: () => Promise<string>): Promise<string>;
  /** To be called after each success; costs nothing without an outage. */
  ended(): void;
  isOngoing(): boolean;
};

/** Remembers the cause of each outage, and logs it once, any other cause that it comes to have, and when it is over. */
export function explainOutages(what: string, log?: Logger): OutageCause {
  const outage = log && watchOutage(log, what, { once: true });
  let current: Promise<string> | undefined;
  let foundAt = 0;
  return {
    async failed(find) {
      const now = performance.now();
      if (current === undefined || now - foundAt > CAUSE_LIFETIME) {
        current = find();
        foundAt = now;
      }
      const cause = current;
      const message = await cause;
      // Unless it ended while the cause was looked for.
      if (cause === current) outage?.failed(new StoreUnavailable(message));
      return message;
    },
    ended() {
      if (current === undefined) return;
      current = undefined;
      outage?.ended();
    },
    isOngoing: () => current !== undefined,
  };
}
