import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import jwt from 'jsonwebtoken';
import { minutesFromNow, startService, type TestService } from '../startService.ts';
import { issued } from './issued.ts';

const HOUR = 3600;
const secret = 'secret-of-statsum-0123456789-abcdefgh';
let service: TestService;
beforeAll(async () => {
  service = await startService({
    STATSUM: JSON.stringify({ secret, baseUrl: 'https://statsum.example.com' }),
  });
});
afterAll(() => service.remove());

const client = async (clientId: string, scopes: string[], expires = minutesFromNow(60 * 24 * 30)) => {
  const settings = { description: '', expires, scopes };
  const { accessToken } = await service.current()['createClient']!(clientId, settings);
  return service.older({ clientId, accessToken });
};
const inSeconds = (date: string): number => Date.parse(date) / 1000;

describe('statsumToken', () => {
  test('gives a token of the project, which lasts an hour longer than the reply says, and records it', async () => {
    const before = Math.floor(Date.now() / 1000);
    const caller = await client('statsum/one', ['auth:statsum:one']);
    const { token, ...others } = await caller['statsumToken']!('one');
    const after = Math.ceil(Date.now() / 1000);
    expect(others).toEqual({
      project: 'one',
      baseUrl: 'https://statsum.example.com',
      expires: expect.any(String),
    });
    const { exp, ...claims } = jwt.verify(token, secret, { algorithms: ['HS256'] }) as jwt.JwtPayload;
    expect(claims).toEqual({ project: 'one' });
    expect(exp).toBeGreaterThanOrEqual(before + 25 * HOUR);
    expect(exp).toBeLessThanOrEqual(after + 25 * HOUR);
    expect(inSeconds(others.expires)).toBe(exp! - HOUR);
    const [event] = (await issued(service, 'statsum')).slice(-1);
    expect(event).toMatchObject({ metadata: { actor: 'statsum/one' } });
    expect(event!.data).toEqual({ service: 'statsum', target: 'one', expires: expect.any(String) });
    expect(inSeconds(event!.data.expires)).toBe(exp);
  });

  test("lasts no longer than the caller's own credentials", async () => {
    const expires = minutesFromNow(5);
    const caller = await client('statsum/short', ['auth:statsum:*'], expires);
    const reply = await caller['statsumToken']!('two');
    const end = Math.floor(inSeconds(expires));
    expect(inSeconds(reply.expires)).toBe(end);
    expect((jwt.verify(reply.token, secret) as jwt.JwtPayload).exp).toBe(end);
  });

  test('needs the scope of the project, and a project that is none is refused', async () => {
    const caller = await client('statsum/other', ['auth:statsum:other']);
    await expect(caller['statsumToken']!('one')).rejects.toMatchObject({ code: 'InsufficientScopes' });
    await expect(service.older()['statsumToken']!('no/project')).rejects.toMatchObject({
      code: 'InvalidRequestArguments',
    });
  });
});
