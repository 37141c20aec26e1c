import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { federationToken, startStsDouble } from '../services/stsDouble.ts';
import { signedFetch } from '../signed.ts';
import { type Credentials, minutesFromNow } from '../startService.ts';
import { type Attacked, startAttacked } from './secondCaller.ts';

const given = 'canary-given-0123456789';
let sts: Awaited<ReturnType<typeof startStsDouble>>;
let service: Attacked;
beforeAll(async () => {
  const expires = new Date(Date.now() + 3_600_000);
  sts = await startStsDouble(() => federationToken(given, expires), 1500);
  const keys = {
    accessKeyId: 'AKIA',
    secretAccessKey: 'secret',
    buckets: ['bucket'],
    endpoint: sts.endpoint,
  };
  service = await startAttacked({ AWS_S3: JSON.stringify([keys]) });
});
afterAll(async () => {
  await service.stop();
  sts.close();
});

const at = (path: string): string => `${service.rootUrl}/api/auth/v1${path}`;
const asRoot = (method: string, path: string, body?: object) =>
  signedFetch(at(path), service.root, { method, body });
const settings = { description: '', expires: minutesFromNow(60), scopes: ['auth:aws-s3:*', 'a', 'b'] };

async function create(name: string): Promise<Credentials> {
  const { body } = await asRoot('PUT', `/clients/${name}`, settings);
  return { clientId: name, accessToken: body['accessToken']! };
}

const WAYS: [string, (name: string) => Promise<unknown>][] = [
  ['reset', (name) => asRoot('POST', `/clients/${name}/reset`)],
  ['disabled', (name) => asRoot('POST', `/clients/${name}/disable`)],
  ['deleted', (name) => asRoot('DELETE', `/clients/${name}`)],
  ['again', (name) => asRoot('DELETE', `/clients/${name}`).then(() => create(name))],
  ['fewer', (name) => asRoot('POST', `/clients/${name}`, { ...settings, scopes: ['a'] })],
];

test('who lost the right while a third party was waited for is given nothing, and who kept it is given all', async () => {
  const ask = (credentials: Credentials) => signedFetch(at('/aws/s3/read-only/bucket/x'), credentials);
  const kept = await create('kept');
  const callers = await Promise.all(WAYS.map(([name]) => create(name)));
  const asked = [kept, ...callers].map(ask);
  await sleep(500);
  await Promise.all([
    ...WAYS.map(([name, end]) => end(name)),
    asRoot('POST', '/clients/kept', { ...settings, description: 'changed' }),
  ]);
  const [good, ...others] = await Promise.all(asked);
  expect(good!.status).toBe(200);
  expect(JSON.stringify(good!.body)).toContain(given);
  expect(others.map(({ status }) => status)).toEqual([401, 401, 401, 401, 403]);
  expect(JSON.stringify(others)).not.toContain(given);
  expect(service.output()).not.toContain(given);
  expect(Object.keys(service.answers())).toEqual(['auth-success']);
}, 20_000);
