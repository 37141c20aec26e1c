import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sessionPolicy } from '../../src/services/awsS3.ts';
import { issued } from '../services/issued.ts';
import { startService, type TestService } from '../startService.ts';
import { type RealServer, startMoto } from './realServers.ts';
import { whereServersRun } from './whereServersRun.ts';

const region = 'us-east-1';
const bucket = 'bucket';

/**
 * moto takes any credentials, or, when it enforces IAM, only those of its users: it knows no sessions. So what is given is used
 * while it does not enforce, and the policy is enforced as that of a user.
 */
whereServersRun(['moto'], 'awsS3Credentials on moto', () => {
  let moto: RealServer;
  let service: TestService;
  let endpoint: string;
  beforeAll(async () => {
    moto = await startMoto();
    endpoint = `http://${moto.address}`;
    await s3({ accessKeyId: 'any', secretAccessKey: 'any' }).send(
      new CreateBucketCommand({ Bucket: bucket }),
    );
  });
  afterAll(async () => {
    await service?.remove();
    await moto?.remove();
  });

  const s3 = (credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }) =>
    new S3Client({ region, endpoint, credentials, forcePathStyle: true, maxAttempts: 1 });
  const at = (Key: string) => ({ Bucket: bucket, Key });
  const contentOf = async (client: S3Client, key: string): Promise<string> =>
    (await client.send(new GetObjectCommand(at(key)))).Body!.transformToString();

  /** Whether moto judges requests from now on. */
  async function enforce(on: boolean): Promise<void> {
    const body = on ? '0' : 'inf';
    await fetch(`${endpoint}/moto-api/reset-auth`, { method: 'POST', body });
  }

  /** A user of IAM with one policy, made while moto does not enforce. */
  async function user(
    name: string,
    policy: string,
  ): Promise<{ accessKeyId: string; secretAccessKey: string }> {
    await enforce(false);
    const iam = async (Action: string, form: Record<string, string> = {}): Promise<string> => {
      const authorization = `AWS4-HMAC-SHA256 Credential=any/20260101/${region}/iam/aws4_request, SignedHeaders=host, Signature=any`;
      const body = new URLSearchParams({ Action, Version: '2010-05-08', UserName: name, ...form });
      const response = await fetch(endpoint, { method: 'POST', headers: { authorization }, body });
      expect(response.status).toBe(200);
      return response.text();
    };
    await iam('CreateUser');
    await iam('PutUserPolicy', { PolicyName: 'only', PolicyDocument: policy });
    const key = await iam('CreateAccessKey');
    const text = (element: string): string => new RegExp(`<${element}>([^<]+)<`).exec(key)![1]!;
    return { accessKeyId: text('AccessKeyId'), secretAccessKey: text('SecretAccessKey') };
  }

  const federation = (Effect: 'Allow' | 'Deny'): string =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect, Action: 'sts:GetFederationToken', Resource: '*' }],
    });

  async function serve(credentials: { accessKeyId: string; secretAccessKey: string }): Promise<TestService> {
    await service?.remove();
    const setting = [{ ...credentials, buckets: [bucket], endpoint, region }];
    service = await startService({ AWS_S3: JSON.stringify(setting) });
    return service;
  }

  test('gives an hour of credentials with which the SDK reads, writes and lists', async () => {
    await serve(await user('giver', federation('Allow')));
    const before = Date.now();
    const { credentials, expires } = await service.current()['awsS3Credentials']!('read-write', bucket, 'a/');
    const left = Date.parse(expires) - before;
    expect(left).toBeGreaterThan(3590_000);
    expect(left).toBeLessThan(3660_000);
    const client = s3(credentials);
    await client.send(new PutObjectCommand({ ...at('a/one'), Body: 'first' }));
    expect(await contentOf(client, 'a/one')).toBe('first');
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: 'a/' }));
    expect(Contents!.map(({ Key }) => Key)).toEqual(['a/one']);
    await client.send(new DeleteObjectCommand(at('a/one')));
    await expect(contentOf(client, 'a/one')).rejects.toMatchObject({ name: 'NoSuchKey' });
    const [event] = await issued(service, 'aws-s3');
    expect(event!.data).toEqual({ service: 'aws-s3', target: `${bucket}/a/`, level: 'read-write', expires });
  });

  test('signs as STS demands; a key that is wrong, or of a user who may not, gives nothing', async () => {
    const giver = await user('signer', federation('Allow'));
    const denied = await user('denied', federation('Deny'));
    const ask = async (credentials: typeof giver): Promise<unknown> => {
      await serve(credentials);
      await enforce(true);
      return service.older()['awsS3Credentials']!('read-only', bucket, 'a/');
    };
    expect(await ask(giver)).toMatchObject({ credentials: { sessionToken: expect.any(String) } });
    for (const wrong of [{ ...giver, secretAccessKey: 'wrong' }, denied]) {
      await expect(ask(wrong)).rejects.toMatchObject({ code: 'BadGateway' });
      expect(await issued(service, 'aws-s3')).toEqual([]);
    }
    expect(service.logged()).toContain('AccessDenied');
  });

  test.each(['read-only', 'read-write'] as const)(
    'its policy, enforced: %s, under the prefix only',
    async (level) => {
      await enforce(false);
      const anybody = s3({ accessKeyId: 'any', secretAccessKey: 'any' });
      for (const key of ['a/one', 'b/one'])
        await anybody.send(new PutObjectCommand({ ...at(key), Body: 'first' }));
      const client = s3(await user(level, sessionPolicy({ level, bucket, prefix: 'a/' })));
      await enforce(true);
      const refused = { name: 'AccessDenied' };
      expect(await contentOf(client, 'a/one')).toBe('first');
      await expect(contentOf(client, 'b/one')).rejects.toMatchObject(refused);
      for (const key of ['a/one', 'b/one'])
        for (const command of [
          new PutObjectCommand({ ...at(key), Body: 'x' }),
          new DeleteObjectCommand(at(key)),
        ]) {
          const sent = client.send(command as PutObjectCommand);
          if (level === 'read-write' && key === 'a/one') await sent;
          else await expect(sent).rejects.toMatchObject(refused);
        }
    },
  );
});
