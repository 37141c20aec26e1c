import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { awsS3, sessionPolicy } from '../../src/services/awsS3.ts';
import { signedFetch } from '../signed.ts';
import { type Credentials, minutesFromNow, ROOT, startService, type TestService } from '../startService.ts';
import { issued } from './issued.ts';
import { type Asked, federationToken, startStsDouble, stsError, type StsReply } from './stsDouble.ts';

const secret = 'canary-setting-0123456789';
const given = 'canary-given-0123456789';
const expires = new Date('2040-01-01T00:00:00Z');
let reply: (asked: Asked) => StsReply | undefined;
let sts: Awaited<ReturnType<typeof startStsDouble>>;
let service: TestService;

beforeAll(async () => {
  sts = await startStsDouble((asked) => reply(asked));
  const entry = (accessKeyId: string, buckets: string[]) => ({
    accessKeyId,
    secretAccessKey: secret,
    buckets,
    endpoint: sts.endpoint,
  });
  service = await startService({
    AWS_S3: JSON.stringify([
      entry('AKIAONE', ['bucket', 'my.other_Bucket']),
      { ...entry('AKIATWO', ['two', 'bucket']), region: 'eu-west-1' },
    ]),
  });
});
beforeEach(() => {
  reply = () => federationToken(given, expires);
  sts.asked.length = 0;
});
afterAll(async () => {
  await service.remove();
  sts.close();
});

const client = async (
  clientId: string,
  scopes: string[],
  end = minutesFromNow(60 * 24),
): Promise<Credentials> => {
  const settings = { description: '', expires: end, scopes };
  const { accessToken } = await service.current()['createClient']!(clientId, settings);
  return { clientId, accessToken };
};
const get = (path: string, credentials = ROOT, prefix = '/api/auth/v1') =>
  signedFetch(`${service.rootUrl}${prefix}/aws/s3/${path}`, credentials);
const policyAsked = (): unknown => sts.asked.at(-1)!.policy;
const policyFor = (...[level, bucket, prefix]: ['read-only' | 'read-write', string, string]): unknown =>
  JSON.parse(sessionPolicy({ level, bucket, prefix }));

describe('awsS3Credentials', () => {
  test('asks STS for an hour under the policy of the level, in both dialects, and records what is given', async () => {
    for (const level of ['read-only', 'read-write'] as const)
      for (const official of [service.current(), service.older()]) {
        expect(await official['awsS3Credentials']!(level, 'bucket', 'a/b c/')).toEqual({
          credentials: {
            accessKeyId: 'ASIAGIVEN',
            secretAccessKey: given,
            sessionToken: `session/${given}+==`,
          },
          expires: expires.toJSON(),
        });
        expect(sts.asked.splice(0)).toEqual([
          {
            method: 'POST',
            path: '/',
            signer: 'AKIAONE',
            region: 'us-east-1',
            form: {
              Action: 'GetFederationToken',
              Version: '2011-06-15',
              Name: 'TemporaryS3ReadWriteCredentials',
              DurationSeconds: '3600',
            },
            policy: policyFor(level, 'bucket', 'a/b c/'),
          },
        ]);
        expect((await issued(service, 'aws-s3')).at(-1)!.data).toEqual({
          service: 'aws-s3',
          target: 'bucket/a/b c/',
          level,
          expires: expires.toJSON(),
        });
      }
  });

  test('with format=iam-role-compat replies as the metadata of an EC2 instance does', async () => {
    for (const official of [service.current(), service.older()])
      expect(
        await official['awsS3Credentials']!('read-only', 'bucket', 'a/', { format: 'iam-role-compat' }),
      ).toEqual({
        Code: 'Success',
        Type: 'AWS-HMAC',
        LastUpdated: expect.stringMatching(/^\d{4}-.*Z$/),
        AccessKeyId: 'ASIAGIVEN',
        SecretAccessKey: given,
        Token: `session/${given}+==`,
        Expiration: expires.toJSON(),
      });
    expect((await get('read-only/bucket/a?format=other')).body.code).toBe('InvalidRequestArguments');
  });

  test('asks with the credentials of the first entry that has the bucket', async () => {
    for (const bucket of ['two', 'bucket', 'my.other_Bucket']) await get(`read-only/${bucket}/x`);
    expect(sts.asked.map(({ signer, region }) => [signer, region])).toEqual([
      ['AKIATWO', 'eu-west-1'],
      ['AKIAONE', 'us-east-1'],
      ['AKIAONE', 'us-east-1'],
    ]);
  });

  test("asks for the rest of the caller's own life, but for 15 minutes at least, as STS gives no less", async () => {
    const seconds = async (clientId: string, minutes: number): Promise<number> => {
      const caller = await client(clientId, ['auth:aws-s3:*'], minutesFromNow(minutes));
      expect((await get('read-only/bucket/x', caller)).status).toBe(200);
      return Number(sts.asked.at(-1)!.form['DurationSeconds']);
    };
    const left = await seconds('aws/soon', 40);
    // STS counts from when it receives the request, which may be 8 s later.
    expect(left).toBeLessThanOrEqual(40 * 60 - 8);
    expect(left).toBeGreaterThan(35 * 60);
    expect(await seconds('aws/very-soon', 5)).toBe(900);
    expect(await seconds('aws/late', 90)).toBe(3600);
  });

  test('takes a prefix with slashes, as they are or percent-encoded, and none, for which the scope ends in a slash', async () => {
    const whole = await client('aws/whole', ['auth:aws-s3:read-only:bucket/']);
    const under = await client('aws/under', ['auth:aws-s3:read-write:bucket/a/b*']);
    for (const prefix of ['/v1', '/api/auth/v1']) {
      for (const path of ['bucket/', 'bucket']) {
        expect((await get(`read-only/${path}`, whole, prefix)).status).toBe(200);
        expect(policyAsked()).toEqual(policyFor('read-only', 'bucket', ''));
      }
      expect((await get('read-only/bucket/a', whole, prefix)).status).toBe(403);
      for (const path of ['a/b/c%20*', 'a%2Fb%2Fc%20%2A']) {
        expect((await get(`read-write/bucket/${path}`, under, prefix)).status).toBe(200);
        expect(policyAsked()).toEqual(policyFor('read-write', 'bucket', 'a/b/c *'));
      }
      expect((await get('read-write/bucket/a/b/', under, prefix)).status).toBe(200);
      expect(policyAsked()).toEqual(policyFor('read-write', 'bucket', 'a/b/'));
      for (const path of ['/a/c', '/a/', '/', ''])
        expect((await get(`read-only/bucket${path}`, under, prefix)).status).toBe(403);
    }
  });

  test('refuses a prefix that begins with a slash or has control characters, and what cannot be a bucket', async () => {
    for (const path of ['bucket//a', 'bucket/%2Fa', 'bucket/a%00', 'bucket/a%0A', 'b*/a', 'b%2Fc/a'])
      expect({ path, code: (await get(`read-only/${path}`)).body.code }).toEqual({
        path,
        code: 'InvalidRequestArguments',
      });
    expect(sts.asked).toEqual([]);
  });

  test('refuses a level that is none, of those who may write', async () => {
    const refused = await get('admin/bucket/a');
    expect(refused).toMatchObject({ status: 400, body: { code: 'InputError' } });
    expect(refused.body['message']).toContain('read-only or read-write');
    const reader = await client('aws/reader', ['auth:aws-s3:read-only:*']);
    expect((await get('admin/bucket/a', reader)).body.code).toBe('InsufficientScopes');
    expect(sts.asked).toEqual([]);
  });

  test('gives nothing for a bucket that is not in the setting', async () => {
    const refused = await get('read-only/buckets/a');
    expect(refused).toMatchObject({ status: 404, body: { code: 'ResourceNotFound' } });
    expect(refused.body['message']).toContain('an administrator must name it in AWS_S3');
    expect(sts.asked).toEqual([]);
  });

  test('refuses a prefix for which the policy would be too long, and one that AWS finds too long', async () => {
    expect((await get(`read-only/bucket/${'a'.repeat(800)}`)).status).toBe(200);
    for (const path of ['a'.repeat(950), '*'.repeat(300), '%F0%9F%98%80'.repeat(100)])
      expect((await get(`read-only/bucket/${path}`)).body.code).toBe('InputError');
    expect(sts.asked).toHaveLength(1);
    reply = () => stsError(400, 'PackedPolicyTooLarge', 'Packed size is 101%');
    const refused = await get('read-only/bucket/a');
    expect(refused).toMatchObject({ status: 400, body: { code: 'InputError' } });
    expect(refused.body['message']).toContain('the prefix is too long for AWS');
  });

  test('says when AWS gives no more for the moment', async () => {
    for (const error of [stsError(400, 'Throttling', 'Rate exceeded'), stsError(429, 'Other', 'slow')]) {
      reply = () => error;
      expect(await get('read-only/bucket/a')).toMatchObject({
        status: 429,
        body: { code: 'TooManyRequests' },
      });
    }
  });

  test('tells nothing of what AWS said when it refuses, fails or makes no sense, and tries twice at most', async () => {
    const answers: [StsReply, number][] = [
      [stsError(403, 'AccessDenied', `the user ${secret} is not allowed`), 1],
      [stsError(403, 'InvalidClientTokenId', `no such key ${given}`), 1],
      [stsError(500, 'InternalFailure', given), 2],
      [{ status: 200, body: `{"garbage": "${given}"` }, 1],
      [{ status: 200, body: '<GetFederationTokenResponse/>' }, 1],
      [
        {
          ...federationToken(given, expires),
          body: federationToken(given, expires).body.replace(/<Exp.*Expiration>/, ''),
        },
        1,
      ],
    ];
    const before = await issued(service, 'aws-s3');
    for (const [answer, times] of answers) {
      reply = () => answer;
      sts.asked.length = 0;
      const { status, body } = await get('read-only/bucket/a');
      expect({ answer, status, times: sts.asked.length }).toEqual({ answer, status: 502, times });
      expect(JSON.stringify(body)).not.toContain('canary');
    }
    expect(await issued(service, 'aws-s3')).toEqual(before);
    expect(service.logged()).not.toContain('canary');
  });

  test('gives up on STS when there is no more time', async () => {
    const left = new AbortController();
    reply = () => void left.abort();
    const setting = {
      accessKeyId: 'AKIAONE',
      secretAccessKey: secret,
      region: 'us-east-1',
      buckets: ['bucket'],
    };
    const federate = (await awsS3.open([{ ...setting, endpoint: sts.endpoint }])).get('bucket')!;
    const policy = sessionPolicy({ level: 'read-only', bucket: 'bucket', prefix: '' });
    await expect(federate({ policy, seconds: 900, signal: left.signal })).rejects.toThrow();
    await sts.leaving;
    expect(sts.asked).toHaveLength(1);
  });
});
