import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { get, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { signedFetch } from '../signed.ts';
import { minutesFromNow, startService, type TestService } from '../startService.ts';

const grants = Array.from({ length: 30 }, (_, i) => `assume:much/${i}`);

let service: TestService;
beforeAll(async () => {
  const before = await startService({ MAX_ROLE_SCOPES: '9000000' });
  const auth = before.current();
  await auth['createRole']!('much/*', {
    description: '',
    scopes: Array.from({ length: 100 }, (_, i) => `x:${i}:<..>`),
  });
  await auth['createRole']!('a, b*', { description: '', scopes: grants });
  await auth['createRole']!('small', { description: '', scopes: ['x'] });
  for (const clientId of ['large', 'tiny'])
    await auth['createClient']!(clientId, {
      description: '',
      expires: minutesFromNow(60),
      scopes: clientId === 'large' ? ['assume:a, bc'] : ['x'],
    });
  service = await before.restart({ MAX_EXPANSION_SCOPES: '2000' });
});
afterAll(() => service.remove());

type Entry = { roleId: string; expandedScopes: string[] };

test('lists name the roles that are too much to expand, and show their own scopes', async () => {
  const reply = await fetch(`${service.rootUrl}/v1/roles`);
  expect(reply.headers.get('auth-incomplete')).toBe('a%2C%20b%2A');
  const roles = (await reply.json()) as Entry[];
  const large = roles.find(({ roleId }) => roleId === 'a, b*')!;
  expect(large.expandedScopes).toEqual([...grants].sort());
  expect(roles.find(({ roleId }) => roleId === 'small')!.expandedScopes).toEqual(['assume:small', 'x']);
});

test('pages of clients name them in the header, the list of all in a trailer', async () => {
  const page = await fetch(`${service.rootUrl}/v1/clients/?limit=10`);
  expect(page.headers.get('auth-incomplete')).toBe('large');
  const request = get(`${service.rootUrl}/v1/clients/`);
  const [all] = (await once(request, 'response')) as [IncomingMessage];
  all.resume();
  await once(all, 'end');
  expect(all.headers['auth-incomplete']).toBeUndefined();
  expect(all.trailers['auth-incomplete']).toBe('large');
  const few = await fetch(`${service.rootUrl}/v1/clients/?limit=10&prefix=tiny`);
  expect(few.headers.get('auth-incomplete')).toBeNull();
});

test('asked for alone they are refused, naming the limit, and a change of them is answered', async () => {
  const api = `${service.rootUrl}/api/auth/v1`;
  for (const path of ['/roles/a%2C%20b*', '/clients/large']) {
    const { status, body } = await signedFetch(api + path, service.root);
    expect({ status, body }).toMatchObject({
      status: 400,
      body: { code: 'InputError', message: expect.stringContaining('MAX_EXPANSION_SCOPES') },
    });
  }
  const disabled = await signedFetch(`${api}/clients/large/disable`, service.root, { method: 'POST' });
  expect(disabled).toMatchObject({ status: 200, body: { disabled: true, expandedScopes: ['assume:a, bc'] } });
});
