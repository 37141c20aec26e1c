import hawk from 'hawk';
import type { Credentials } from './startService.ts';

/** The Authorization header of a request that a client signs. */
export function authorizationFor(
  url: string,
  method: string,
  { clientId: id, accessToken: key }: Credentials,
): string {
  return hawk.client.header(url, method, { credentials: { id, key, algorithm: 'sha256' } }).header;
}

export type Reply = { status: number; body: Record<string, never> & { code?: string } };

/** A service answers within this time (ms), whatever happens to it. */
const PATIENCE = 30_000;

/** Sends a request that a client signs. */
export async function signedFetch(
  url: string,
  credentials: Credentials,
  { method = 'GET', body }: { method?: string; body?: object } = {},
): Promise<Reply> {
  const response = await fetch(url, {
    method,
    headers: {
      authorization: authorizationFor(url, method, credentials),
      'content-type': 'application/json',
    },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE),
  });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Reply['body'] };
}
