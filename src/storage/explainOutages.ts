import type { Logger } from 'pino';
import { watchOutage } from '../process/outage.ts';
import { StoreUnavailable } from './storeErrors.ts';

/** Why a server cannot be used. The cause is looked for once an outage, because that costs a connection. */
export type OutageCause = {
  /** Resolves to the cause of the outage that goes on, which `find` looks for if this call is its first failure. */
  failed(find: () => Promise<string>): Promise<string>;
  /** To be called after each success; costs nothing without an outage. */
  ended(): void;
  isOngoing(): boolean;
};

/** Remembers the cause of each outage, and logs it when it begins, once a minute, and when it is over. */
export function explainOutages(what: string, log?: Logger): OutageCause {
  const outage = log && watchOutage(log, what);
  let current: Promise<string> | undefined;
  return {
    async failed(find) {
      const cause = (current ??= find());
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
