import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import hawk from 'hawk';
import { rawRequest, type RawReply } from '../rawRequest.ts';
import { type Credentials, minutesFromNow, ROOT, startService, type TestService } from '../startService.ts';

const PATH = '/api/auth/v1/scopes/current';
const WRONG: Credentials = { clientId: 'static/root', accessToken: 'canary-token-of-somebody-else' };

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.remove());

const credentialsOf = ({ clientId: id, accessToken: key }: Credentials) =>
  ({ id, key, algorithm: 'sha256' }) as const;
const sign = (url: string, credentials: Credentials): string =>
  hawk.client.header(url, 'GET', { credentials: credentialsOf(credentials), nonce: 'canary-nonce' }).header;
const ask = (headers: Record<string, string>, to: TestService = service): Promise<RawReply> =>
  rawRequest(to.rootUrl + PATH, { headers });
const judge = (request: object): Promise<RawReply> =>
  rawRequest(`${service.rootUrl}/v1/authenticate-hawk`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ method: 'get', resource: '/x', host: 'h.example.com', port: 443, ...request }),
  });

type Line = { msg: string; [name: string]: unknown };
const linesOf = (of: TestService): Line[] =>
  of
    .logged()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
/** The log line of the last request. Lines of denials are rate limited, so each test waits for its turn. */
async function lineOf(asking: () => Promise<RawReply>): Promise<Line> {
  for (;;) {
    const before = linesOf(service).length;
    await asking();
    const line = linesOf(service)
      .slice(before)
      .find(({ msg }) => msg.startsWith('request'));
    if (line) return line;
  }
}

describe('a refused signature is logged', () => {
  test('of a request to this service, in one line', async () => {
    const url = service.rootUrl + PATH;
    const before = linesOf(service).length;
    const line = await lineOf(() => ask({ authorization: sign(url, WRONG) }));
    expect(linesOf(service).length).toBe(before + 1);
    expect(line).toMatchObject({
      msg: 'request with a refused signature',
      method: 'currentScopes',
      status: 401,
      reason: 'Bad mac',
      claimedClientId: 'static/root',
      sourceIp: '127.0.0.1',
      requestId: expect.any(String),
      durationMs: expect.any(Number),
      denied: 'signature',
      route: 'GET /api/auth/v1/scopes/current',
      target: PATH,
    });
  });

  test('of a request to another service, with the address that the service tells', async () => {
    const authorization = sign('https://h.example.com/x', WRONG);
    const line = await lineOf(() => judge({ authorization, sourceIp: '192.0.2.7' }));
    expect(line).toMatchObject({
      msg: 'request with a refused signature',
      method: 'authenticateHawk',
      status: 200,
      reason: 'Bad mac',
      claimedClientId: 'static/root',
      sourceIp: '127.0.0.1',
      signerIp: '192.0.2.7',
      route: 'POST /v1/authenticate-hawk',
      judged: 'GET h.example.com:443/x',
    });
  });

  test('of a bewit, as of a header', async () => {
    const bewit = hawk.uri.getBewit('https://h.example.com/x', {
      credentials: credentialsOf(WRONG),
      ttlSec: 60,
    });
    const line = await lineOf(() => judge({ resource: `/x?bewit=${bewit}` }));
    expect(line).toMatchObject({ reason: 'Bad mac', claimedClientId: 'static/root' });
    const own = await lineOf(() => rawRequest(`${service.rootUrl}${PATH}?bewit=${bewit}`));
    expect(own).toMatchObject({ status: 401, reason: 'Bad mac', claimedClientId: 'static/root' });
    expect(service.logged()).not.toContain(bewit);
  });

  test('with no more than 100 characters of what it claims', async () => {
    const clientId = 'x'.repeat(3000);
    const line = await lineOf(() =>
      judge({ authorization: sign('https://h.example.com/x', { ...WRONG, clientId }) }),
    );
    expect(line['claimedClientId']).toBe('x'.repeat(100));
    expect(line['reason']).toBe(`client ${'x'.repeat(100)} not found`);
  });

  test('however little of it can be read', async () => {
    for (const [authorization, claimedClientId] of [
      ['Hawk', undefined],
      ['Hawk id="a\u202e\ud83d\ude00b", x="y"', 'a???b'],
      ['Hawk mac="m", id="late"', 'late'],
      ['Hawk id="never closed', undefined],
      ['Basic canary-basic', undefined],
    ] as const) {
      const line = await lineOf(() => judge({ authorization }));
      expect({ authorization, claimed: line['claimedClientId'] }).toEqual({
        authorization,
        claimed: claimedClientId,
      });
      expect(line['reason']).toEqual(expect.stringMatching(/./));
    }
    for (const resource of ['/x?bewit=', '/x?bewit=canary-bewit', '/x?bewit=%%']) {
      const line = await lineOf(() => judge({ resource }));
      expect({ resource, claimed: line['claimedClientId'] }).toEqual({ resource });
    }
  });

  test('without anything of the signature', () => {
    expect(service.logged()).not.toMatch(/canary/);
    expect(service.logged()).not.toMatch(/Hawk id|mac=/);
  });

  test('ten times in a second at most, and the rest is counted', async () => {
    const flooded = await startService();
    try {
      const began = performance.now();
      const authorization = sign(flooded.rootUrl + PATH, WRONG);
      await Promise.all(Array.from({ length: 200 }, () => ask({ authorization }, flooded)));
      const counted = (): number =>
        linesOf(flooded).reduce((sum, { msg, leftOut = 0 }) => {
          return sum + (leftOut as number) + Number(msg === 'request with a refused signature');
        }, 0);
      while (counted() < 200) await new Promise((resolve) => setTimeout(resolve, 50));
      expect(counted()).toBe(200);
      const seconds = Math.ceil((performance.now() - began) / 1000) + 1;
      const lines = linesOf(flooded).filter(({ msg }) => msg.startsWith('request with a refused signature'));
      expect(lines.length).toBeLessThanOrEqual(10 * seconds);
    } finally {
      await flooded.remove();
    }
  });
});

describe('a request without the scopes that it needs is logged', () => {
  const path = '/api/auth/v1/clients/some%2Fclient';
  const line = (of: TestService): Line => linesOf(of).findLast(({ denied }) => denied === 'scopes')!;

  test('unsigned, with what it wanted and what it lacks', async () => {
    const reply = await rawRequest(`${service.rootUrl}${path}?`, { method: 'DELETE' });
    expect(reply.status).toBe(403);
    expect(line(service)).toMatchObject({
      msg: 'request without the scopes that it needs',
      method: 'deleteClient',
      route: 'DELETE /api/auth/v1/clients/<clientId>',
      target: path,
      clientId: 'anonymous',
      status: 403,
      sourceIp: '127.0.0.1',
      requestId: expect.any(String),
      reason: expect.stringContaining('auth:delete-client:some/client'),
    });
  });

  test('signed, with who signed it', async () => {
    const settings = { description: '', expires: minutesFromNow(60), scopes: [] };
    const { accessToken } = await service.current()['createClient']!('poor', settings);
    const url = service.rootUrl + path;
    expect((await ask({ authorization: sign(url, { clientId: 'poor', accessToken }) })).status).toBe(401);
    const authorization = sign(service.rootUrl + PATH, { clientId: 'poor', accessToken });
    expect((await ask({ authorization })).status).toBe(403);
    expect(line(service)).toMatchObject({ clientId: 'poor', claimedClientId: 'poor', target: PATH });
  });

  test('ten times in a second at most, and the rest is counted by its source', async () => {
    const flooded = await startService({ TRUST_PROXY: '1' });
    try {
      const from = (address: string) =>
        rawRequest(flooded.rootUrl + path, { method: 'DELETE', headers: { 'x-forwarded-for': address } });
      const sources = Array.from({ length: 200 }, (_, i) => (i % 20 === 0 ? '192.0.2.1' : '192.0.2.2'));
      await Promise.all(sources.map(from));
      const tally = (): Record<string, number> => {
        const sum: Record<string, number> = {};
        for (const { denied, leftOut, sourceIp } of linesOf(flooded)) {
          const counts = leftOut === undefined ? { [sourceIp as string]: 1 } : (sourceIp as object);
          if (denied === 'scopes' || leftOut !== undefined)
            for (const [source, count] of Object.entries(counts)) sum[source] = (sum[source] ?? 0) + count;
        }
        return sum;
      };
      const sum = (): number => Object.values(tally()).reduce((all, count) => all + count, 0);
      while (sum() < 200) await new Promise((resolve) => setTimeout(resolve, 50));
      expect(tally()).toEqual({ '192.0.2.1': 10, '192.0.2.2': 190 });
    } finally {
      await flooded.remove();
    }
  });
});

describe('a refused signature behind a proxy', () => {
  const warnings = (of: TestService): Line[] =>
    linesOf(of).filter(({ msg, level }) => level === 40 && msg.includes('TRUST_PROXY'));
  const forwarded = { host: 'auth.example.com', 'x-forwarded-proto': 'https' };
  const authorization = sign(`https://auth.example.com${PATH}`, ROOT);

  test('that is not trusted is warned of once, naming the setting', async () => {
    const behind = await startService();
    try {
      const url = behind.rootUrl + PATH;
      await ask({ authorization: sign(url, ROOT), 'x-forwarded-proto': 'https' }, behind);
      await ask({ authorization, host: 'auth.example.com' }, behind);
      expect(warnings(behind)).toEqual([]);
      for (let i = 0; i < 3; i += 1)
        expect((await ask({ authorization, ...forwarded }, behind)).status).toBe(401);
      expect(warnings(behind)).toMatchObject([{ address: '127.0.0.1', headers: ['x-forwarded-proto'] }]);
    } finally {
      await behind.remove();
    }
  });

  test('that is trusted is no reason to warn', async () => {
    const behind = await startService({ TRUST_PROXY: 'loopback' });
    try {
      expect((await ask({ authorization, ...forwarded }, behind)).status).toBe(200);
      expect((await ask({ authorization, ...forwarded, 'x-forwarded-port': '80' }, behind)).status).toBe(401);
      expect(warnings(behind)).toEqual([]);
    } finally {
      await behind.remove();
    }
  });
});
