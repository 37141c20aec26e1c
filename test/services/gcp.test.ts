import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import jwt from 'jsonwebtoken';
import { readServiceSetting } from '../../src/config/serviceSettings.ts';
import { gcp } from '../../src/services/gcp.ts';
import { minutesFromNow, startService, type TestService } from '../startService.ts';
import { expectToGiveUp } from './givesUp.ts';
import { type Asked, type DoubleAnswer, type HttpDouble, startHttpDouble } from './httpDouble.ts';
import { issued } from './issued.ts';

const accessToken = 'canary-access-token';
const email = 'auth@proj.iam.gserviceaccount.com';
const worker = 'worker@other.iam.gserviceaccount.com';
const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
const credentials = {
  type: 'service_account',
  project_id: 'proj',
  private_key_id: 'key-1',
  private_key: privateKey,
  client_email: email,
  token_uri: 'https://oauth2.googleapis.com/token',
};

let google: HttpDouble;
let service: TestService;
let asked: Asked[];
let answer: (asked: Asked) => DoubleAnswer;

/** Google's answer: an access token with the requested lifetime, counted from `late` ms from now. */
function token({ body }: Asked, late = 0): DoubleAnswer {
  const seconds = Number((body as { lifetime: string }).lifetime.slice(0, -1));
  const end = new Date(Date.now() + late + seconds * 1000);
  return { body: { accessToken, expireTime: end.toISOString().replace(/\.\d+Z$/, 'Z') } };
}
const refusal = (status: number, reason: string): DoubleAnswer => ({
  status,
  body: { error: { code: status, status: reason, message: `canary of ${reason}` } },
});
const settingText = (): string =>
  JSON.stringify({
    proj: {
      credentials,
      serviceAccounts: [worker],
      endpoint: google.url,
    },
  });
const client = async (clientId: string, scopes: string[], expires = minutesFromNow(60 * 24)) => {
  const { accessToken: given } = await service.current()['createClient']!(clientId, {
    description: '',
    expires,
    scopes,
  });
  return service.current({ clientId, accessToken: given });
};
const give = (project = 'proj', account = worker) => service.current()['gcpCredentials']!(project, account);

beforeAll(async () => {
  google = await startHttpDouble((each) => {
    asked.push(each);
    return answer(each);
  });
  service = await startService({ GCP: settingText() });
});
beforeEach(() => {
  asked = [];
  answer = (each) => token(each);
});
afterAll(async () => {
  await service.remove();
  google.stop();
});

describe('gcpCredentials', () => {
  test('gives an access token of a service account for an hour, and records it', async () => {
    const caller = await client('gcp/one', [`auth:gcp:access-token:proj/${worker}`]);
    const before = Date.now();
    const reply = await caller['gcpCredentials']!('proj', worker);
    expect(reply).toEqual({ accessToken, expireTime: expect.any(String) });
    const lifetime = Date.parse(reply.expireTime) - before;
    expect(Math.abs(lifetime - 60 * 60_000)).toBeLessThan(60_000);
    const [event] = (await issued(service, 'gcp')).slice(-1);
    expect(event!.data).toEqual({ service: 'gcp', target: `proj/${worker}`, expires: reply.expireTime });
    expect(event!.metadata.actor).toBe('gcp/one');
    expect(JSON.stringify(event)).not.toContain('canary');
  });

  test('asks the IAM Credentials API once for each, with a request that the configured key signs', async () => {
    await give();
    await give();
    expect(asked).toHaveLength(2);
    const [{ method, path, headers, body }] = asked as [Asked, Asked];
    expect({ method, path: decodeURIComponent(path), body }).toEqual({
      method: 'POST',
      path: `/v1/projects/-/serviceAccounts/${worker}:generateAccessToken`,
      body: { scope: ['https://www.googleapis.com/auth/cloud-platform'], lifetime: '3600s' },
    });
    const assertion = headers.authorization!.replace(/^Bearer /, '');
    const { header, payload } = jwt.verify(assertion, publicKey, { algorithms: ['RS256'], complete: true });
    expect(header.kid).toBe('key-1');
    expect(payload).toMatchObject({ iss: email, sub: email, aud: 'https://iamcredentials.googleapis.com/' });
  });

  test("ends no later than the caller's own credentials, even when Google is asked slowly", async () => {
    answer = (each) => token(each, 7000);
    const expires = minutesFromNow(5);
    const caller = await client('gcp/short', ['auth:gcp:access-token:*'], expires);
    const { expireTime } = await caller['gcpCredentials']!('proj', worker);
    expect(Date.parse(expireTime)).toBeLessThanOrEqual(Date.parse(expires));
    expect(Date.parse(expireTime)).toBeGreaterThan(Date.parse(expires) - 60_000);
    const late = await client('gcp/late', ['auth:gcp:access-token:*'], minutesFromNow(0.1));
    await expect(late['gcpCredentials']!('proj', worker)).rejects.toMatchObject({ code: 'InputError' });
    expect(asked).toHaveLength(1);
  });

  test('is there for the projects and the service accounts that are configured', async () => {
    await expect(give('other')).rejects.toMatchObject({ code: 'ResourceNotFound' });
    for (const account of ['stranger@proj.iam.gserviceaccount.com', 'a/../b', `${worker}:x`])
      await expect(give('proj', account)).rejects.toMatchObject({ code: 'InvalidRequestArguments' });
    expect(asked).toEqual([]);
  });

  test('needs the scope of the project and the service account', async () => {
    const caller = await client('gcp/other', [`auth:gcp:access-token:other/${worker}`]);
    await expect(caller['gcpCredentials']!('proj', worker)).rejects.toMatchObject({
      code: 'InsufficientScopes',
    });
    expect(asked).toEqual([]);
  });

  test.each([
    ['that there is no such account', refusal(404, 'NOT_FOUND'), 'ResourceNotFound'],
    ['that it is asked too often', refusal(429, 'RESOURCE_EXHAUSTED'), 'TooManyRequests'],
    ['that the key may not do this', refusal(403, 'PERMISSION_DENIED'), 'ResourceNotFound'],
    ['that it failed', refusal(500, 'INTERNAL'), 'BadGateway'],
    ['with something else', { body: { accessToken: '', expireTime: '2040-01-01T00:00:00Z' } }, 'BadGateway'],
    [
      'with more than is read',
      { body: { accessToken, expireTime: '2040-01-01T00:00:00Z', more: 'canary'.repeat(1_000_000) } },
      'BadGateway',
    ],
    ['with no date', { body: { accessToken, expireTime: 'canary' } }, 'BadGateway'],
    [
      'with a date without a zone',
      { body: { accessToken, expireTime: '2040-01-01T00:00:00' } },
      'BadGateway',
    ],
    [
      'with a date after the year 9999',
      { body: { accessToken, expireTime: '9999-12-31T23:59:59-01:00' } },
      'BadGateway',
    ],
    ['with no JSON', { body: 'canary {' }, 'BadGateway'],
    ['with null', { body: 'null' }, 'BadGateway'],
    ['with another address', { status: 302, headers: { location: '/canary' } }, 'BadGateway'],
  ])('says what it means when Google answers %s, asks once, and records nothing', async (_, given, code) => {
    const before = await issued(service, 'gcp');
    answer = () => given as DoubleAnswer;
    const error = (await give().catch((thrown: unknown) => thrown)) as Error;
    expect(error).toMatchObject({ code });
    expect(error.message).not.toContain('canary');
    expect(asked).toHaveLength(1);
    expect(await issued(service, 'gcp')).toEqual(before);
  });

  test('tells whom to ask where Google does not let the configured account do this', async () => {
    answer = () => refusal(403, 'PERMISSION_DENIED');
    await expect(give()).rejects.toMatchObject({
      statusCode: 404,
      message: expect.stringMatching(
        /worker@other.*an administrator must give it the role Service Account Token Creator/,
      ),
    });
  });

  test('is GatewayTimeout when Google does not answer, who is not asked any longer then', async () => {
    answer = () => 'never';
    const left = google.left();
    await expect(give()).rejects.toMatchObject({ code: 'GatewayTimeout' });
    await left;
    expect(asked).toHaveLength(1);
  });

  test('stops asking at the signal', async () => {
    answer = () => 'never';
    const left = google.left();
    const setting = readServiceSetting('GCP', { text: settingText(), settingSchema: gcp.settingSchema });
    const params = { projectId: 'proj', serviceAccount: worker };
    await expectToGiveUp(gcp, setting, { params, caller: {}, waits: google.waits() });
    await left;
  });

  test('has nothing secret in the log', () => {
    expect(service.logged()).toContain('"status":403');
    expect(service.logged()).not.toContain('canary');
    expect(service.logged()).not.toContain(privateKey.split('\n')[1]);
  });
});

test.each([
  ['no key', { credentials: { ...credentials, private_key: '/etc/key' } }, '.credentials.private_key'],
  [
    'half a key',
    { credentials: { ...credentials, private_key: privateKey.slice(0, 900) } },
    '.credentials.private_key',
  ],
  ['a key of a user', { credentials: { ...credentials, type: 'authorized_user' } }, '.credentials.type'],
  ['an account that is none', { serviceAccounts: ['a/b'] }, '.serviceAccounts[0]'],
])('a setting with %s is refused', (_, wrong, place) => {
  const entry = { credentials, serviceAccounts: [worker], ...wrong };
  const text = JSON.stringify({ proj: entry });
  expect(() => readServiceSetting('GCP', { text, settingSchema: gcp.settingSchema })).toThrow(
    `GCP{entry 1}${place} must`,
  );
});
