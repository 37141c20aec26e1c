import { afterEach, expect, test } from '@jest/globals';
import { signedFetch } from '../signed.ts';
import { minutesFromNow } from '../startService.ts';
import { type Attacked, startAttacked } from './secondCaller.ts';

let attacked: Attacked;
afterEach(() => attacked.stop());

test('a history of large changes, and a list of large clients, are told a part at a time', async () => {
  attacked = await startAttacked();
  const at = (path: string): string => `${attacked.rootUrl}/api/auth/v1${path}`;
  const scopes = Array.from({ length: 42 }, (_, i) => `${i}:${'x'.repeat(10_000)}`);
  const settings = { expires: minutesFromNow(60), scopes };
  const put = async (clientId: string, method: string, description: string): Promise<void> => {
    const url = at(`/clients/${encodeURIComponent(clientId)}`);
    const body = { ...settings, description };
    expect((await signedFetch(url, attacked.root, { method, body })).status).toBe(200);
  };
  for (let i = 0; i < 10; i += 1) await put(`large/${i}`, 'PUT', '');
  for (let i = 0; i < 50; i += 1) await put('large/0', 'POST', `${i}`);
  const before = await attacked.residentBytes();

  type Page = { auditHistory?: object[]; clients?: object[]; continuationToken?: string };
  async function lengths(path: string, name: 'auditHistory' | 'clients'): Promise<number[]> {
    const found: number[] = [];
    let token: string | undefined;
    do {
      const query = token === undefined ? '' : `&continuationToken=${token}`;
      const { status, body } = await signedFetch(at(`${path}?limit=1000${query}`), attacked.root);
      expect(status).toBe(200);
      const page = body as Page;
      found.push(page[name]!.length);
      token = page.continuationToken;
    } while (token !== undefined);
    return found;
  }
  const history = await lengths('/audit/client/large%2F0', 'auditHistory');
  expect(history.reduce((sum, length) => sum + length)).toBe(51);
  // 1 MiB of events each, of 420 KB.
  expect(Math.max(...history)).toBeLessThanOrEqual(2);
  const clients = await lengths('/clients/', 'clients');
  expect(clients.reduce((sum, length) => sum + length)).toBe(11);
  expect(Math.max(...clients)).toBeLessThanOrEqual(4);
  expect((await attacked.residentBytes()) - before).toBeLessThan(200 * 1024 * 1024);
  expect(Object.keys(attacked.answers())).toEqual(['auth-success']);
});
