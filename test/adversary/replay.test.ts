import { afterEach, describe, expect, test } from '@jest/globals';
import hawk from 'hawk';
import { rawRequest } from '../rawRequest.ts';
import { type Attacked, startAttacked } from './secondCaller.ts';

let attacked: Attacked;
afterEach(() => attacked.stop());

const at = (path: string): string => `${attacked.rootUrl}/api/auth/v1${path}`;
const settings = JSON.stringify({ description: '', expires: '2040-01-01T00:00:00Z', scopes: ['*'] });

/** A change that root signed for a host, as whoever saw it can send it on. */
function overheard(path: string, signedFor: string) {
  const { header } = hawk.client.header(signedFor + path, 'PUT', {
    credentials: { id: attacked.root.clientId, key: attacked.root.accessToken, algorithm: 'sha256' },
  });
  const { host } = new URL(signedFor);
  const headers = { authorization: header, host, 'content-type': 'application/json' };
  return () => rawRequest(at(path.replace('/api/auth/v1', '')), { method: 'PUT', headers, body: settings });
}

describe('whoever overhears signed requests', () => {
  test('cannot send them to another service than they were signed for', async () => {
    attacked = await startAttacked({ ALLOWED_HOSTS: 'auth.example.com,127.0.0.1' });
    const send = overheard('/api/auth/v1/clients/evil', 'http://evil.example');
    const statuses = await Promise.all(Array.from({ length: 50 }, async () => (await send()).status));
    expect(new Set(statuses)).toEqual(new Set([401]));
    for (const host of ['evil.example', 'auth.example.com.evil.example', 'xauth.example.com', '[::1]'])
      expect((await overheard('/api/auth/v1/clients/evil', `http://${host}`)()).status).toBe(401);
    expect((await overheard('/api/auth/v1/clients/good', 'http://auth.example.com')()).status).toBe(200);
    expect(Object.keys(attacked.answers())).toEqual(['auth-success']);
  });

  test('cannot have a change made twice, by whichever of several workers', async () => {
    attacked = await startAttacked({ REPLAY_PROTECTION: 'writes', WORKERS: '2' });
    for (let i = 0; i < 5; i += 1) {
      const send = overheard(`/api/auth/v1/clients/client-${i}`, attacked.rootUrl);
      const statuses = await Promise.all(Array.from({ length: 20 }, async () => (await send()).status));
      expect(statuses.sort()).toEqual([200, ...Array.from({ length: 19 }, () => 401)]);
    }
    expect(Object.keys(attacked.answers())).toEqual(['auth-success']);
  });
});
