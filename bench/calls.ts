import { createHmac, randomBytes } from 'node:crypto';
import type { Call } from './load.ts';

/** Who signs calls. `ext` is what Hawk signs along: temporary credentials, a limit to the caller's own scopes. */
export type Signer = { clientId: string; accessToken: string; ext?: string };

const API = '/api/auth/v1';
/** Where authledger's own methods are. */
export const AUTHLEDGER_API = '/api/authledger/v1';

/** What a signed call asks. */
export type Signed = { api?: string; method: string; route: string; body?: object };

/** A Hawk header for a request, signed anew: with the time now and a nonce of its own. */
function header(
  { clientId, accessToken, ext = '' }: Signer,
  { method, path, host, port }: { method: string; path: string; host: string; port: number },
): string {
  const ts = Math.floor(Date.now() / 1000);
  const nonce = randomBytes(5).toString('base64url');
  const text = `hawk.1.header\n${ts}\n${nonce}\n${method}\n${path}\n${host}\n${port}\n\n${ext}\n`;
  const mac = createHmac('sha256', accessToken).update(text).digest('base64');
  const shown = ext && `, ext="${ext}"`;
  return `Hawk id="${clientId}", ts="${ts}", nonce="${nonce}"${shown}, mac="${mac}"`;
}

/** A call of the API, signed for the server at this port of the loopback. */
export function signedCall(signer: Signer, port: number, { api = API, method, route, body }: Signed): Call {
  const path = api + route;
  const authorization = header(signer, { method, path, host: '127.0.0.1', port });
  return { method, path, headers: { authorization }, ...(body && { body: JSON.stringify(body) }) };
}

/** Asks who signed a request to another service. */
export function authenticateCall(signer: Signer): Call {
  const path = '/api/queue/v1/task/fN1SbArXTPSVFNUvaOlinQ/artifacts';
  const signed = { method: 'GET', path, host: 'queue.example.com', port: 443 };
  const authorization = header(signer, signed);
  const body = { method: 'get', resource: path, host: signed.host, port: signed.port, authorization };
  return { method: 'POST', path: `${API}/authenticate-hawk`, body: JSON.stringify(body) };
}

/** Temporary credentials from a client's own, as Taskcluster's clients make them, with a limit of their own. */
export function temporary(
  { clientId: issuer, accessToken }: Signer,
  { clientId, scopes, authorizedScopes }: { clientId: string; scopes: string[]; authorizedScopes: string[] },
): Signer {
  const seed = randomBytes(33).toString('base64url');
  const [start, expiry] = [Date.now() - 60_000, Date.now() + 3_600_000];
  const lines = [
    'version:1',
    `clientId:${clientId}`,
    `issuer:${issuer}`,
    `seed:${seed}`,
    `start:${start}`,
    `expiry:${expiry}`,
    'scopes:',
    ...scopes,
  ];
  const signature = createHmac('sha256', accessToken).update(lines.join('\n')).digest('base64');
  const certificate = { version: 1, scopes, start, expiry, seed, signature, issuer };
  const ext = Buffer.from(JSON.stringify({ certificate, authorizedScopes })).toString('base64');
  return { clientId, accessToken: createHmac('sha256', accessToken).update(seed).digest('base64url'), ext };
}
