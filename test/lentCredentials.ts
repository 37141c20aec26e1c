import { createHmac } from 'node:crypto';
import hawk from 'hawk';
import type { SignedRequest } from '../src/authentication/signedRequest.ts';

/** Who signs, when, and with what in `ext`. */
export type Given = { clientId: string; token: string; now: number; ext?: object };

/** A request with a header that whoever has the token signs at a time, in milliseconds. */
export function signed({ clientId, token, now, ext }: Given): SignedRequest {
  const { header } = hawk.client.header('http://example.com/', 'GET', {
    credentials: { id: clientId, key: token, algorithm: 'sha256' },
    timestamp: Math.floor(now / 1000),
    ...(ext && { ext: Buffer.from(JSON.stringify(ext)).toString('base64') }),
  });
  return { method: 'get', resource: '/', host: 'example.com', port: 80, authorization: header };
}

/** What a certificate lends: named credentials where there is a name. */
type Lent = { issuer: string; token: string; scopes: string[]; from: number; to: number; name?: string };

/** What whoever has a lent certificate signs with. */
export function lend({ issuer, token, scopes, from: start, to: expiry, name }: Lent): Omit<Given, 'now'> {
  const seed = 's'.repeat(44);
  const named = name === undefined ? [] : [`clientId:${name}`, `issuer:${issuer}`];
  const lines = [
    'version:1',
    ...named,
    `seed:${seed}`,
    `start:${start}`,
    `expiry:${expiry}`,
    'scopes:',
    ...scopes,
  ];
  const hmac = (text: string) => createHmac('sha256', token).update(text);
  const signature = hmac(lines.join('\n')).digest('base64');
  const certificate = {
    version: 1,
    scopes,
    start,
    expiry,
    seed,
    signature,
    ...(name !== undefined && { issuer }),
  };
  return { clientId: name ?? issuer, token: hmac(seed).digest('base64url'), ext: { certificate } };
}
