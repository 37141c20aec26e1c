import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { authorizationFor } from '../signed.ts';
import { minutesFromNow } from '../startService.ts';
import { type Attacked, startAttacked } from './secondCaller.ts';
import { signedFetch } from '../signed.ts';

let service: Attacked;
beforeAll(async () => {
  service = await startAttacked({ READ_ACCESS: 'guarded' });
  const put = (name: string, body: object) =>
    signedFetch(`${service.rootUrl}/v1/clients/${name}`, service.root, { method: 'PUT', body });
  const settings = { description: '', expires: minutesFromNow(60), scopes: ['held'] };
  await put('there', settings);
  await put('expired', { ...settings, expires: minutesFromNow(-1) });
  await put('disabled', settings);
  const disable = { method: 'POST' };
  await signedFetch(`${service.rootUrl}/v1/clients/disabled/disable`, service.root, disable);
});
afterAll(() => service.stop());

const NAMES = ['there', 'expired', 'disabled', 'nobody', 'n'.repeat(1000)];

/** Status and message of a reply, without what stands in it of the request itself. */
async function told(reply: Response, name: string): Promise<string> {
  const text = await reply.text();
  const { message = '', status = '' } = (text && JSON.parse(text)) as { message?: string; status?: string };
  return `${reply.status} ${status} ${message.split('\n---')[0]!}`.replaceAll(name, '<name>').trim();
}

test('thousands of guesses by callers without credentials tell them nothing of who is there, and others are answered', async () => {
  const answers = new Map<string, Set<string>>();
  const note = (kind: string, answer: string) =>
    answers.set(kind, (answers.get(kind) ?? new Set()).add(answer));
  const before = await service.residentBytes();
  for (let round = 0; round < 60; round += 1)
    await Promise.all(
      NAMES.flatMap((name) => {
        const guess = name === 'nobody' ? `nobody-${round}` : name;
        const wrong = { clientId: guess, accessToken: 'w'.repeat(44) };
        const body = {
          description: '',
          expires: minutesFromNow(60),
          scopes: ['held', `guess-${round}`],
        };
        const json = { 'content-type': 'application/json' };
        const send = async (kind: string, path: string, init: RequestInit) =>
          note(kind, await told(await fetch(service.rootUrl + path, { headers: json, ...init }), guess));
        const current = `${service.rootUrl}/v1/scopes/current`;
        const elsewhere = {
          method: 'get',
          resource: '/',
          host: 'h',
          port: 80,
          authorization: authorizationFor('http://h/', 'GET', wrong),
        };
        return [
          send('update', `/v1/clients/${guess}`, { method: 'POST', body: JSON.stringify(body) }),
          send('create', `/v1/clients/${guess}`, { method: 'PUT', body: JSON.stringify(body) }),
          send('delete', `/v1/clients/${guess}`, { method: 'DELETE' }),
          send('reset', `/v1/clients/${guess}/reset`, { method: 'POST' }),
          send('read', `/v1/clients/${guess}`, {}),
          send('sign', '/v1/scopes/current', {
            headers: { authorization: authorizationFor(current, 'GET', wrong) },
          }),
          send('hawk', '/v1/authenticate-hawk', { method: 'POST', body: JSON.stringify(elsewhere) }),
        ];
      }),
    );
  for (const [kind, found] of answers)
    expect({ kind, answers: found.size, found: [...found] }).toMatchObject({ kind, answers: 1 });
  expect([...answers.get('sign')!, ...answers.get('hawk')!]).toEqual([
    '401  Bad mac',
    '200 auth-failed Bad mac',
  ]);
  expect([...answers.get('update')!][0]).toMatch(/^403 .*missing[^]*auth:update-client:<name>/);
  expect(JSON.stringify([...answers].map(([, found]) => [...found]))).not.toMatch(/guess-|held/);
  expect(Object.keys(service.answers())).toEqual(['auth-success']);
  expect((await service.residentBytes()) - before).toBeLessThan(150_000_000);
}, 30_000);
