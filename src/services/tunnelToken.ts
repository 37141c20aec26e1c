import type { EndpointRequest } from '../http/endpoint.ts';
import { expiryFor } from './credentialLifetime.ts';
import { jwtTime, signJwt } from './signJwt.ts';

const MINUTE = 60_000;
const LIFETIME = 96 * 60 * MINUTE;
/** Allows for clocks that are behind. */
const CLOCK_SKEW = 15 * MINUTE;

/**
 * A token with which the caller may open one tunnel of an audience. The proxies of both kinds of tunnel expect these
 * claims.
 */
export async function tunnelToken(
  { tid, aud, secret }: { tid: string; aud: string; secret: string },
  request: Pick<EndpointRequest, 'caller' | 'now'>,
): Promise<{ token: string; expires: Date }> {
  const { caller, now } = request;
  const expires = expiryFor(request, LIFETIME);
  const times = {
    iat: jwtTime(now),
    exp: jwtTime(expires),
    nbf: jwtTime(new Date(now.getTime() - CLOCK_SKEW)),
  };
  const token = await signJwt({ tid, sub: caller.clientId, ...times, iss: 'taskcluster-auth', aud }, secret);
  return { token, expires };
}
