import { date, object, literal, type Schema, text } from '../../schemas/v1/schemaBuilders.ts';
import { ApiError } from '../domain/errors.ts';
import { isDateTime } from '../http/isDateTime.ts';
import type { GuardedRequest, GuardedService } from './guardedService.ts';
import { lifetimeFor } from './credentialLifetime.ts';
import { rsaPrivateKey } from '../config/rsaPrivateKey.ts';
import { thirdPartyUrl, withoutTrailingSlash } from './thirdPartyUrl.ts';

type Setting = Record<
  string,
  {
    credentials: { client_email: string; private_key: string; private_key_id: string };
    serviceAccounts: string[];
    endpoint: string;
  }
>;

/** Requests an access token of a service account that lasts `seconds`. Returns Google's reply, unchecked. */
type GenerateToken = (
  asked: { serviceAccount: string; seconds: number },
  signal: AbortSignal,
) => Promise<{ accessToken?: unknown; expireTime?: unknown }>;

/** By project: the service accounts that may be impersonated, and how to get a token. */
type Client = Map<string, { serviceAccounts: readonly string[]; generate: GenerateToken }>;

const HOST = 'iamcredentials.googleapis.com';
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const PROJECT = /^[A-Za-z0-9.:_-]{1,100}$/;
const SERVICE_ACCOUNT = /^[A-Za-z0-9.:@_-]{1,200}$/;
/** The lifetime (s) of a token. */
const HOUR = 60 * 60;
/** The largest response body (bytes). */
const MAX_ANSWER = 1024 * 1024;

/** The key file of a service account, as Google offers it for download. Three of its fields are used. */
const serviceAccountKey: Schema = {
  type: 'object',
  properties: {
    type: literal('service_account'),
    client_email: text,
    private_key: rsaPrivateKey,
    private_key_id: text,
  },
  required: ['type', 'client_email', 'private_key', 'private_key_id'],
};

/** Access tokens of Google Cloud service accounts. */
export const gcp: GuardedService<Setting, Client> = {
  name: 'gcp',
  variable: 'GCP',
  needs:
    '{<project>: {credentials, serviceAccounts}}: the key of a service account, as Google gives it, that may impersonate those listed',
  settingSchema: {
    type: 'object',
    minProperties: 1,
    propertyNames: { pattern: PROJECT.source },
    additionalProperties: object({
      credentials: serviceAccountKey,
      serviceAccounts: { type: 'array', items: { ...text, pattern: SERVICE_ACCOUNT.source } },
      endpoint: { ...thirdPartyUrl, default: `https://${HOST}` },
    }),
  },
  schemas: {
    'gcp-credentials-response': {
      title: 'An access token of a service account',
      ...object({ accessToken: text, expireTime: date }),
    },
  },
  async open(setting) {
    const { JWT } = await import('google-auth-library');
    const projects = Object.entries(setting).map(([project, { credentials, serviceAccounts, endpoint }]) => {
      const { client_email: email, private_key: key, private_key_id: keyId } = credentials;
      // A self-signed JWT with the API as audience authorizes each request, so no access token has to be fetched and
      // cached.
      const signer = Object.assign(new JWT({ email, key, keyId }), { defaultServicePath: HOST });
      const generate: GenerateToken = async ({ serviceAccount, seconds }, signal) => {
        const { data } = await signer.request<object>({
          url: `${withoutTrailingSlash(endpoint)}/v1/projects/-/serviceAccounts/${encodeURIComponent(serviceAccount)}:generateAccessToken`,
          method: 'POST',
          data: { scope: [SCOPE], lifetime: `${seconds}s` },
          responseType: 'json',
          redirect: 'error',
          maxContentLength: MAX_ANSWER,
          signal,
        });
        return data;
      };
      return [project, { serviceAccounts, generate }] as const;
    });
    return new Map(projects);
  },
  endpoints: [
    {
      name: 'gcpCredentials',
      dialects: ['current'],
      method: 'get',
      route: '/gcp/credentials/<projectId>/<serviceAccount>',
      patterns: { projectId: PROJECT, serviceAccount: SERVICE_ACCOUNT },
      title: 'Get Temporary GCP Credentials',
      description:
        "An access token of a service account for an hour, or for as long as the caller's own credentials last if that is shorter.",
      category: 'GCP Credentials',
      stability: 'stable',
      scopes: 'auth:gcp:access-token:<projectId>/<serviceAccount>',
      output: 'gcp-credentials-response',
      async issue(projects, request) {
        const { projectId, serviceAccount } = request.params as { projectId: string; serviceAccount: string };
        const project = projects.get(projectId);
        if (!project)
          throw new ApiError(
            'ResourceNotFound',
            `the project ${projectId} is not one of those configured here`,
          );
        if (!project.serviceAccounts.includes(serviceAccount))
          throw new ApiError(
            'InvalidRequestArguments',
            `the service account ${serviceAccount} is not one of those allowed here for ${projectId}`,
          );
        const seconds = tokenLifetime(request);
        const { accessToken, expireTime } = await project
          .generate({ serviceAccount, seconds }, request.signal)
          .catch((error: unknown) => translateGoogleError(error, serviceAccount));
        if (typeof accessToken !== 'string' || accessToken === '' || !isDateTime(String(expireTime)))
          throw new Error('Google answered with no access token');
        const expires = new Date(String(expireTime));
        const body = { accessToken, expireTime: expires.toJSON() };
        return { body, target: `${projectId}/${serviceAccount}`, expires };
      },
    },
  ],
};

/** The lifetime (s) of a token. Throws InputError if the caller's own credentials end too soon. */
function tokenLifetime(request: GuardedRequest): number {
  const seconds = lifetimeFor(request, HOUR);
  if (seconds < 1)
    throw new ApiError(
      'InputError',
      "the caller's own credentials end too soon: use some that last for at least a minute",
    );
  return seconds;
}

function translateGoogleError(error: unknown, serviceAccount: string): never {
  const { status } = error as { status?: unknown };
  if (status === 404)
    throw new ApiError('ResourceNotFound', `Google knows no service account ${serviceAccount}`);
  if (status === 403)
    throw new ApiError(
      'ResourceNotFound',
      `Google does not let the account that is configured here make tokens of ${serviceAccount}: an administrator must give it the role ` +
        'Service Account Token Creator on that, in a project where the IAM Service Account Credentials API is enabled',
    );
  if (status === 429)
    throw new ApiError('TooManyRequests', 'Google takes no more requests for now: try again in a minute');
  throw error;
}
