import type { IncomingMessage } from 'node:http';
import type { Logger } from 'pino';
import type { TrustProxy } from './forwarded.ts';

/** What tells of another address that the caller may have signed for. */
const FORWARDED = ['x-forwarded-proto', 'x-forwarded-port', 'x-forwarded-host'];
/** How often (ms) it is said at most. */
const REMIND_EVERY = 60 * 60_000;

/**
 * Warns, once an hour at most, of a request whose signature was refused and which seems to come through a proxy that TRUST_PROXY
 * does not name: behind one that ends TLS, callers sign for port 443, and no signature fits unless it is believed.
 */
export function makeProxyWarning(log: Logger, trust: TrustProxy): (request: IncomingMessage) => void {
  let warned = -Infinity;
  return ({ headers, socket: { remoteAddress: address } }) => {
    const given = FORWARDED.filter((name) => headers[name] !== undefined);
    if (given.length === 0 || address === undefined || trust(address, 0)) return;
    const now = performance.now();
    if (now - warned < REMIND_EVERY) return;
    warned = now;
    log.warn(
      { address, headers: given },
      'a signature was refused, and x-forwarded headers came from an address that is no trusted proxy: if that is your proxy, name it in ' +
        'TRUST_PROXY, and let it pass the Host header on as it is',
    );
  };
}
