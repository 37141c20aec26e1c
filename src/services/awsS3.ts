import { date, object, literal, text } from '../../schemas/v1/schemaBuilders.ts';
import { ApiError } from '../domain/errors.ts';
import { byLevel } from './byLevel.ts';
import type { GuardedService } from './guardedService.ts';
import { lifetimeFor } from './lifetimeFor.ts';
import { thirdPartyUrl } from './thirdPartyUrl.ts';

/** How long (s) credentials last. */
const HOUR = 60 * 60;
/** The shortest life (s) and the longest policy (characters) that STS takes: the reference of GetFederationToken. */
const SHORTEST_LIFE = 900;
const LONGEST_POLICY = 2048;

/** S3's rule for names of buckets, with what it allowed when the oldest were made. */
const BUCKET = '^[a-zA-Z0-9._-]{3,255}$';

type Setting = readonly {
  accessKeyId: string;
  secretAccessKey: string;
  buckets: readonly string[];
  region: string;
  endpoint?: string;
}[];

/** Asks STS, with the credentials of one entry of the setting, for others that a policy limits and that last so long (s). */
type Federate = (asked: { policy: string; seconds: number; signal: AbortSignal }) => Promise<Federated>;
type Federated = { accessKeyId: string; secretAccessKey: string; sessionToken: string; expires: Date };

/** Credentials for what a bucket of S3 has under a prefix. A bucket that two entries of the setting have is the first one's. */
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
      // One more try is what the time allows.
      const sts = new STSClient({ region, ...(endpoint && { endpoint }), credentials, maxAttempts: 2 });
      const federate: Federate = async ({ policy, seconds, signal }) => {
        const command = new GetFederationTokenCommand({
          Name: 'TemporaryS3ReadWriteCredentials',
          DurationSeconds: seconds,
          Policy: policy,
        });
        const { Credentials } = await sts.send(command, { abortSignal: signal }).catch(translate);
        return complete({
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
        // What is no level is refused in words below.
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
      ...byLevel('auth:aws-s3:<level>:<bucket>/<prefix>'),
      output: 'aws-s3-credentials-response',
      otherOutput: 'aws-s3-iam-role-response',
      async give(client, request) {
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
        if (policy.length > LONGEST_POLICY) throw tooLong();
        // STS gives no shorter life, so these credentials may outlive a caller that ends sooner.
        const seconds = Math.max(lifetimeFor(request, HOUR), SHORTEST_LIFE);
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
 * The IAM policy that limits credentials to what a bucket has under a prefix: JSON of ASCII characters, as STS takes few others.
 * What IAM would read as a wildcard or a variable in the prefix is written as the variable that stands for the character:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
 */
export function sessionPolicy(to: {
  level: 'read-only' | 'read-write';
  bucket: string;
  prefix: string;
}): string {
  const actions = to.level === 'read-only' ? [] : ['s3:PutObject', 's3:DeleteObject'];
  const bucket = `arn:aws:s3:::${to.bucket}`;
  const under = `${to.prefix.replace(/[*?$]/g, (character) => `\${${character}}`)}*`;
  const policy = {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: ['s3:GetObject', ...actions], Resource: `${bucket}/${under}` },
      {
        Effect: 'Allow',
        Action: 's3:ListBucket',
        Resource: bucket,
        Condition: { StringLike: { 's3:prefix': under } },
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
    `the prefix is too long for AWS: a policy of ${LONGEST_POLICY} characters must hold it twice, in which each *, ? and $ takes four, and most that are not ASCII six`,
  );
}

/** An error of STS that the caller can do something about, in our words. Throws any other as it is. */
function translate(error: unknown): never {
  const { name, $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } };
  if (name?.startsWith('PackedPolicyTooLarge')) throw tooLong();
  if (name?.startsWith('Throttling') || $metadata?.httpStatusCode === 429)
    throw new ApiError(
      'TooManyRequests',
      'AWS gives no more credentials for the moment: try again in a minute',
    );
  throw error;
}

function complete(answer: { [name in keyof Federated]: Federated[name] | undefined }): Federated {
  if (Object.values(answer).includes(undefined)) throw new Error('STS answered without credentials');
  return answer as Federated;
}
