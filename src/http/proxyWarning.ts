import type { IncomingMessage } from 'node:http';
import type { Logger } from 'pino';
import type { TrustProxy } from './requestOrigin.ts';

/** Headers with another address, which the caller may have signed. */
const FORWARDED_HEADERS = ['x-forwarded-proto', 'x-forwarded-port', 'x-forwarded-host'];
/** The least time (ms) between two warnings. */
const WARNING_INTERVAL = 60 * 60_000;

/**
 * Warns, at most once an hour, of a refused signature on a request that seems to come through a proxy that TRUST_PROXY
 * does not name. Behind a proxy that terminates TLS, callers sign for port 443, so no signature matches unless its
 * headers are trusted.
 */
export function makeProxyWarning(log: Logger, trust: TrustProxy): (request: IncomingMessage) => void {
  let warnedAt = -Infinity;
  return ({ headers, socket: { remoteAddress: address } }) => {
    const forwarded = FORWARDED_HEADERS.filter((name) => headers[name] !== undefined);
    if (forwarded.length === 0 || address === undefined || trust(address, 0)) return;
    const now = performance.now();
    if (now - warnedAt < WARNING_INTERVAL) return;
    warnedAt = now;
    log.warn(
      { address, headers: forwarded },
      'a signature was refused, and x-forwarded headers came from an address that is no trusted proxy: if that is your proxy, name it in ' +
        'TRUST_PROXY, and let it pass the Host header on as it is',
    );
  };
}
