import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import jwt from 'jsonwebtoken';
import { minutesFromNow, startService, type TestService } from '../startService.ts';
import { issued } from './issued.ts';

const MINUTE = 60;
const secrets = {
  older: 'secret-of-webhooktunnel-0123456789',
  current: 'secret-of-websocktunnel-0123456789',
};
const proxyUrl = 'https://tunnel.example.com';
let service: TestService;
beforeAll(async () => {
  service = await startService({
    WEBHOOKTUNNEL: JSON.stringify({ secret: secrets.older, proxyUrl }),
    WEBSOCKTUNNEL: JSON.stringify({ secret: secrets.current }),
  });
});
afterAll(() => service.remove());

const client = async (clientId: string, scopes: string[], expires = minutesFromNow(60 * 24 * 30)) => {
  const settings = { description: '', expires, scopes };
  const { accessToken } = await service.current()['createClient']!(clientId, settings);
  return { clientId, accessToken };
};
/** The claims of a token, without the time of issue, which is checked to be now. */
function claimsOf(token: string, secret: string): Record<string, unknown> {
  const { iat, nbf, ...claims } = jwt.verify(token, secret, { algorithms: ['HS256'] }) as jwt.JwtPayload;
  expect(Math.abs(iat! - Date.now() / 1000)).toBeLessThan(MINUTE);
  expect(iat! - nbf!).toBe(15 * MINUTE);
  return { ...claims, exp: claims.exp! - iat! };
}

describe('webhooktunnelToken', () => {
  test('gives the token of a tunnel of a new name for four days, and records it', async () => {
    const caller = service.older(await client('tunnel/older', ['auth:webhooktunnel']));
    const { tunnelId, token, ...others } = await caller['webhooktunnelToken']!();
    expect(others).toEqual({ proxyUrl });
    expect(tunnelId).toMatch(/^[a-z0-9_-]{44}$/);
    expect(claimsOf(token, secrets.older)).toEqual({
      tid: tunnelId,
      sub: 'tunnel/older',
      exp: 96 * 60 * MINUTE,
      iss: 'taskcluster-auth',
      aud: 'webhooktunnel',
    });
    expect((await caller['webhooktunnelToken']!()).tunnelId).not.toBe(tunnelId);
    const [event] = await issued(service, 'webhooktunnel');
    expect(event!.data).toEqual({ service: 'webhooktunnel', target: tunnelId, expires: expect.any(String) });
  });

  test('needs its scope', async () => {
    const caller = service.older(await client('tunnel/none', ['auth:webhook']));
    await expect(caller['webhooktunnelToken']!()).rejects.toMatchObject({ code: 'InsufficientScopes' });
  });
});

describe('websocktunnelToken', () => {
  test('gives the token of a client of a tunnel for four days, and records it', async () => {
    const scopes = ['auth:websocktunnel-token:aud/c%~.d*'];
    const caller = service.current(await client('tunnel/current', scopes));
    const { token, expires, ...others } = await caller['websocktunnelToken']!('aud', 'c%~.d');
    expect(others).toEqual({ wstAudience: 'aud', wstClient: 'c%~.d' });
    expect(claimsOf(token, secrets.current)).toEqual({
      tid: 'c%~.d',
      sub: 'tunnel/current',
      exp: 96 * 60 * MINUTE,
      iss: 'taskcluster-auth',
      aud: 'aud',
    });
    expect((jwt.decode(token) as jwt.JwtPayload).exp).toBe(Date.parse(expires) / 1000);
    const [event] = await issued(service, 'websocktunnel');
    expect(event!.data).toEqual({ service: 'websocktunnel', target: 'aud/c%~.d', expires });
    await expect(caller['websocktunnelToken']!('aud', 'other')).rejects.toMatchObject({
      code: 'InsufficientScopes',
    });
  });

  test("lasts no longer than the caller's own credentials", async () => {
    const expires = minutesFromNow(5);
    const caller = service.current(await client('tunnel/short', ['auth:websocktunnel-token:*'], expires));
    const reply = await caller['websocktunnelToken']!('aud', 'short');
    const end = Math.floor(Date.parse(expires) / 1000);
    expect(Date.parse(reply.expires)).toBe(end * 1000);
    expect((jwt.decode(reply.token) as jwt.JwtPayload).exp).toBe(end);
  });

  test('refuses an audience that is none', async () => {
    await expect(service.current()['websocktunnelToken']!('a.b', 'c')).rejects.toMatchObject({
      code: 'InvalidRequestArguments',
    });
  });
});
