import { date, object, literal, text } from '../../schemas/v1/schemaBuilders.ts';
import { ApiError } from '../domain/errors.ts';
import { scopesByLevel } from './accessLevel.ts';
import type { GuardedService } from './guardedService.ts';
import { lifetimeFor } from './credentialLifetime.ts';
import { thirdPartyUrl } from './thirdPartyUrl.ts';

/** The lifetime (s) of credentials. */
const HOUR = 60 * 60;
/**
 * The shortest lifetime (s) and the longest policy (characters) that STS accepts, from the reference of
 * GetFederationToken.
 */
const MIN_LIFETIME = 900;
const MAX_POLICY_LENGTH = 2048;

/** S3's rule for bucket names, including the names that it accepted in its early years. */
const BUCKET = '^[a-zA-Z0-9._-]{3,255}$';

type Setting = readonly {
  accessKeyId: string;
  secretAccessKey: string;
  buckets: readonly string[];
  region: string;
  endpoint?: string;
}[];

/**
 * Asks STS, with the credentials of one entry of the setting, for credentials that a policy restricts and that last
 * `seconds`.
 */
type Federate = (asked: { policy: string; seconds: number; signal: AbortSignal }) => Promise<Federated>;
type Federated = { accessKeyId: string; secretAccessKey: string; sessionToken: string; expires: Date };

/**
 * Credentials for the objects of an S3 bucket under a prefix. If two entries of the setting name a bucket, the first
 * one is used.
 */
export const awsS3: GuardedService<Setting, ReadonlyMap<string, Federate>> = {
  name: 'aws-s3',
  variable: 'AWS_S3',
  needs:
    'a list of {accessKeyId, secretAccessKey, buckets}: the keys of an IAM user, and the buckets they are used for',
  settingSchema: {
    type: 'array',
    minItems: 1,
    items: object(
      {
        accessKeyId: { ...text, minLength: 1 },
        secretAccessKey: { ...text, minLength: 1 },
        buckets: { type: 'array', minItems: 1, uniqueItems: true, items: { ...text, pattern: BUCKET } },
        region: { ...text, pattern: '^[a-z0-9-]+$', default: 'us-east-1' },
        endpoint: thirdPartyUrl,
      },
      ['region', 'endpoint'],
    ),
  },
  schemas: {
    'aws-s3-credentials-response': {
      title: 'Credentials for a prefix of a bucket',
      ...object({
        credentials: object({ accessKeyId: text, secretAccessKey: text, sessionToken: text }),
        expires: date,
      }),
    },
    'aws-s3-iam-role-response': {
      title: "Credentials for a prefix of a bucket, in the form of an EC2 instance's metadata",
      ...object({
        Code: literal('Success'),
        Type: literal('AWS-HMAC'),
        LastUpdated: date,
        AccessKeyId: text,
        SecretAccessKey: text,
        Token: text,
        Expiration: date,
      }),
    },
  },
  async open(setting) {
    const { STSClient, GetFederationTokenCommand } = await import('@aws-sdk/client-sts');
    const federateFor = ({ buckets, region, endpoint, ...credentials }: Setting[number]) => {
      // The time limit allows one retry.
      const sts = new STSClient({ region, ...(endpoint && { endpoint }), credentials, maxAttempts: 2 });
      const federate: Federate = async ({ policy, seconds, signal }) => {
        const command = new GetFederationTokenCommand({
          Name: 'TemporaryS3ReadWriteCredentials',
          DurationSeconds: seconds,
          Policy: policy,
        });
        const { Credentials } = await sts.send(command, { abortSignal: signal }).catch(translateStsError);
        return completeCredentials({
          accessKeyId: Credentials?.AccessKeyId,
          secretAccessKey: Credentials?.SecretAccessKey,
          sessionToken: Credentials?.SessionToken,
          expires: Credentials?.Expiration,
        });
      };
      return buckets.map((bucket) => [bucket, federate] as const);
    };
    return new Map(setting.toReversed().flatMap(federateFor));
  },
  endpoints: [
    {
      name: 'awsS3Credentials',
      dialects: ['older', 'current'],
      method: 'get',
      route: '/aws/s3/<level>/<bucket>/<prefix>',
      takesRest: true,
      query: ['format'],
      patterns: {
        // Any text: `issue` refuses an unknown level with a message of its own.
        level: /^[ -~]+$/,
        bucket: new RegExp(BUCKET),
        // A key that begins with a slash is nearly always a mistake; one with control characters cannot be listed.
        prefix: /^(?!\/)[ -~\xa0-\uffff]*$/,
        format: /^iam-role-compat$/,
      },
      title: 'Get Temporary Read/Write Credentials S3',
      description:
        "Credentials for the objects whose keys begin with a prefix, to get and list them (`read-only`) or also to put and delete them (`read-write`), for an hour or until the caller's own end, but 15 minutes at least. With `format=iam-role-compat` they come in the form in which an EC2 instance is told those of its role.",
      category: 'AWS Credentials',
      stability: 'stable',
      ...scopesByLevel('auth:aws-s3:<level>:<bucket>/<prefix>'),
      output: 'aws-s3-credentials-response',
      otherOutput: 'aws-s3-iam-role-response',
      async issue(client, request) {
        const { now, query, signal } = request;
        const { level, bucket, prefix } = request.params as Record<'level' | 'bucket' | 'prefix', string>;
        if (level !== 'read-only' && level !== 'read-write')
          throw new ApiError('InputError', 'level must be read-only or read-write');
        const federate = client.get(bucket);
        if (!federate)
          throw new ApiError(
            'ResourceNotFound',
            `no credentials are given here for the bucket ${bucket}: an administrator must name it in AWS_S3`,
          );
        const policy = sessionPolicy({ level, bucket, prefix });
        if (policy.length > MAX_POLICY_LENGTH) throw tooLong();
        // STS allows no shorter lifetime, so the credentials may outlive the caller's own.
        const seconds = Math.max(lifetimeFor(request, HOUR), MIN_LIFETIME);
        const { expires, ...credentials } = await federate({ policy, seconds, signal });
        const { accessKeyId, secretAccessKey, sessionToken } = credentials;
        const body =
          query['format'] === undefined
            ? { credentials, expires: expires.toJSON() }
            : {
                Code: 'Success',
                Type: 'AWS-HMAC',
                LastUpdated: now.toJSON(),
                AccessKeyId: accessKeyId,
                SecretAccessKey: secretAccessKey,
                Token: sessionToken,
                Expiration: expires.toJSON(),
              };
        return { body, target: `${bucket}/${prefix}`, level, expires };
      },
    },
  ],
};

/**
 * The IAM policy that restricts credentials to the objects of a bucket under a prefix. It is JSON in ASCII, because STS
 * accepts few other characters. A character of the prefix that IAM would read as a wildcard or a variable is written as
 * the policy variable for that character:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
 */
export function sessionPolicy(to: {
  level: 'read-only' | 'read-write';
  bucket: string;
  prefix: string;
}): string {
  const actions = to.level === 'read-only' ? [] : ['s3:PutObject', 's3:DeleteObject'];
  const bucket = `arn:aws:s3:::${to.bucket}`;
  const keyPattern = `${to.prefix.replace(/[*?$]/g, (character) => `\${${character}}`)}*`;
  const policy = {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: ['s3:GetObject', ...actions], Resource: `${bucket}/${keyPattern}` },
      {
        Effect: 'Allow',
        Action: 's3:ListBucket',
        Resource: bucket,
        Condition: { StringLike: { 's3:prefix': keyPattern } },
      },
      { Effect: 'Allow', Action: 's3:GetBucketLocation', Resource: bucket },
    ],
  };
  return JSON.stringify(policy).replace(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function tooLong(): ApiError {
  return new ApiError(
    'InputError',
    `the prefix is too long for AWS: a policy of ${MAX_POLICY_LENGTH} characters must hold it twice, in which each *, ? and $ takes four, and most that are not ASCII six`,
  );
}

/** Throws an ApiError for an error of STS that the caller can do something about; rethrows any other. */
function translateStsError(error: unknown): never {
  const { name, $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } };
  if (name?.startsWith('PackedPolicyTooLarge')) throw tooLong();
  if (name?.startsWith('Throttling') || $metadata?.httpStatusCode === 429)
    throw new ApiError(
      'TooManyRequests',
      'AWS gives no more credentials for the moment: try again in a minute',
    );
  throw error;
}

function completeCredentials(answer: { [name in keyof Federated]: Federated[name] | undefined }): Federated {
  if (Object.values(answer).includes(undefined)) throw new Error('STS answered without credentials');
  return answer as Federated;
}
