import { LRUCache } from 'lru-cache';
import { date, object, type Schema, text } from '../../schemas/v1/schemaBuilders.ts';
import { ApiError } from '../domain/errors.ts';
import { isDateTime } from '../http/isDateTime.ts';
import { boundedFetch } from './boundedFetch.ts';
import type { GuardedRequest, GuardedService } from './guardedService.ts';
import { rsaPrivateKey } from '../config/rsaPrivateKey.ts';
import { thirdPartyUrl, withoutTrailingSlash } from './thirdPartyUrl.ts';

type Setting = Record<string, { appId: number | string; privateKey: string; apiUrl: string }>;

/** GitHub's response to a request. Header names are in lower case. */
type GithubAnswer = {
  status: number;
  headers: Record<string, string | number | undefined>;
  data: unknown;
};

/** Sends a request signed by an app. For a status of 400 or more, throws an error with the answer as `response`. */
type Send = (route: string, parameters: object) => Promise<GithubAnswer>;

/** The apps by name. */
type Client = Map<string, App>;

/** `installations` caches recent lookups by owner. */
type App = { send: Send; installations: LRUCache<string, KeptInstallation> };

/** `lookedUp` is in milliseconds. */
type KeptInstallation = { id: number; lookedUpAt: number };

type Body = { repositories: string[]; permissions: Record<string, string> };

/** The token that a caller asks for. Repositories and owner are in lower case, because GitHub ignores case. */
type TokenRequest = Body & { appName: string; owner: string };

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const APP = /^[A-Za-z0-9._-]{1,100}$/;
/** Without dots, because it becomes a part of a path of GitHub's API. */
const OWNER = /^[A-Za-z0-9_-]{1,100}$/;
/** GitHub's limit (characters) for repository names. The published schema has none. */
const MAX_NAME_LENGTH = 100;
/** How long (ms) a lookup of an installation is cached, and how many are cached for each app. */
const INSTALLATION_TTL = 60 * 60_000;
const MAX_INSTALLATIONS = 1000;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

const READ_OR_WRITE = [
  'actions',
  'administration',
  'artifact_metadata',
  'attestations',
  'checks',
  'code_quality',
  'codespaces',
  'contents',
  'dependabot_secrets',
  'deployments',
  'discussions',
  'environments',
  'issues',
  'merge_queues',
  'metadata',
  'packages',
  'pages',
  'pull_requests',
  'repository_custom_properties',
  'repository_hooks',
  'secret_scanning_alerts',
  'secrets',
  'security_events',
  'single_file',
  'statuses',
  'vulnerability_alerts',
];

/** The repository permissions of a token with their levels. The Taskcluster API uses GitHub's names. */
const githubPermissions: Schema = {
  type: 'object',
  additionalProperties: false,
  minProperties: 1,
  properties: {
    ...Object.fromEntries(READ_OR_WRITE.map((name) => [name, withLevels('read', 'write')])),
    repository_projects: withLevels('read', 'write', 'admin'),
    workflows: withLevels('write'),
  },
};

function withLevels(...levels: string[]): Schema {
  return { type: 'string', enum: levels };
}

/** Installation tokens of GitHub Apps for some repositories of one owner. GitHub sets their lifetime: an hour. */
export const github: GuardedService<Setting, Client> = {
  name: 'github',
  variable: 'GITHUB_APPS',
  needs: '{<name>: {appId, privateKey}}: the GitHub Apps, by the name that scopes have for them',
  settingSchema: {
    type: 'object',
    minProperties: 1,
    propertyNames: { pattern: APP.source },
    additionalProperties: object({
      appId: { type: ['integer', 'string'], minimum: 1, minLength: 1 },
      privateKey: rsaPrivateKey,
      apiUrl: { ...thirdPartyUrl, default: 'https://api.github.com' },
    }),
  },
  schemas: {
    'github-repo-token-request': {
      title: 'What a token of a GitHub App is for',
      ...object({
        repositories: {
          type: 'array',
          minItems: 1,
          maxItems: 500,
          items: { ...text, pattern: '^[A-Za-z0-9._-]+$' },
        },
        permissions: githubPermissions,
      }),
    },
    'github-token-response': {
      title: 'A token of a GitHub App',
      ...object({ token: text, expires: date }),
    },
  },
  async open(setting) {
    const { createAppAuth } = await import('@octokit/auth-app');
    const { request } = await import('@octokit/request');
    const apps = Object.entries(setting).map(([name, { appId, privateKey, apiUrl }]) => {
      // Used for signing only: tokens that it fetches itself are shared by all concurrent requests for the same access.
      const { hook } = createAppAuth({ appId, privateKey, log: silent });
      const send: Send = request.defaults({
        baseUrl: withoutTrailingSlash(apiUrl),
        headers: { 'x-github-api-version': '2022-11-28' },
        request: { hook, fetch: boundedFetch, redirect: 'manual', log: silent },
      });
      const installations = new LRUCache<string, KeptInstallation>({ max: MAX_INSTALLATIONS });
      return [name, { send, installations }] as const;
    });
    return new Map(apps);
  },
  endpoints: [
    {
      name: 'githubRepoToken',
      dialects: ['current'],
      method: 'post',
      route: '/github/<appName>/<owner>/repo-token',
      patterns: { appName: APP, owner: OWNER },
      title: 'Get a GitHub token for repositories',
      description:
        'A token of a GitHub App for repositories of one owner, with the given permissions. It needs a scope for each permission on each repository.',
      category: 'Github Credentials',
      stability: 'experimental',
      scopes: {
        AllOf: [
          {
            for: 'repoPerm',
            in: 'repoPerms',
            each: 'auth:github-repo-token:<appName>/<owner>/<repoPerm>',
          },
        ],
      },
      scopeParams(request) {
        const { owner, repositories, permissions } = tokenRequestOf(request);
        const levels = permissionLevels(permissions);
        const repoPerms = repositories.flatMap((name) => levels.map((level) => `${name}:${level}`));
        return { owner, repoPerms };
      },
      input: 'github-repo-token-request',
      output: 'github-token-response',
      async issue(apps, request) {
        const wanted = tokenRequestOf(request);
        const { appName, owner, repositories, permissions } = wanted;
        const app = apps.get(appName);
        if (!app)
          throw new ApiError('ResourceNotFound', `the app ${appName} is not one of those configured here`);
        const ask: Send = (route, parameters) => sendAndTranslate(app.send, { route, parameters }, request);
        const { token, expires } = await fetchToken({ ...app, ask, now: request.now }, wanted);
        return {
          body: { token, expires: expires.toJSON() },
          target: `${appName}/${owner}/${repositories.join(',')}`,
          level: permissionLevels(permissions).join(','),
          expires,
        };
      },
    },
  ],
};

/** Throws InputError for a repository name that is too long: a required scope for each permission would contain it. */
function tokenRequestOf({ params, body }: Pick<GuardedRequest, 'params' | 'body'>): TokenRequest {
  const { repositories, permissions } = body as Body;
  if (repositories.some((name) => name.length > MAX_NAME_LENGTH))
    throw new ApiError(
      'InputError',
      `the name of a repository has at most ${MAX_NAME_LENGTH} characters at GitHub`,
    );
  return {
    appName: params['appName']!,
    owner: params['owner']!.toLowerCase(),
    repositories: [...new Set(repositories.map((name) => name.toLowerCase()))].sort(),
    permissions,
  };
}

function permissionLevels(permissions: Body['permissions']): string[] {
  return Object.entries(permissions)
    .map(([permission, level]) => `${permission}:${level}`)
    .sort();
}

/** The answer, including a 404 or a 422. Throws TooManyRequests when GitHub limits the rate. */
async function sendAndTranslate(
  send: Send,
  { route, parameters }: { route: string; parameters: object },
  { signal, now }: GuardedRequest,
): Promise<GithubAnswer> {
  try {
    return await send(route, { ...parameters, request: { signal } });
  } catch (error) {
    const { response } = error as { response?: GithubAnswer };
    if (response?.status === 404 || response?.status === 422) return response;
    const retryAfter = response && retryAfterOf(response, now);
    if (retryAfter === undefined) throw error;
    throw new ApiError(
      'TooManyRequests',
      `GitHub takes no more requests of this app for now: try again in ${retryAfter} s`,
      { retryAfter },
    );
  }
}

type Token = { token: string; expires: Date };

/** Throws ResourceNotFound and InputError, and a plain Error if GitHub's answer does not fit the request. */
async function fetchToken(
  { ask, installations, now }: Pick<App, 'installations'> & { ask: Send; now: Date },
  wanted: TokenRequest,
): Promise<Token> {
  const { owner } = wanted;
  const kept = installations.get(owner);
  const isRecent = kept && now.getTime() - kept.lookedUpAt < INSTALLATION_TTL;
  const token = isRecent && (await tokenOfCached(ask, kept.id, wanted));
  if (token) return token;
  installations.delete(owner);
  const id = await findInstallation(ask, wanted);
  installations.set(owner, { id, lookedUpAt: now.getTime() });
  return readToken(await requestToken(ask, id, wanted), wanted);
}

/**
 * A token of a cached installation. Undefined if the installation is gone (404) or suspended (403) by now, or its owner
 * was renamed; a new lookup tells which.
 */
async function tokenOfCached(ask: Send, id: number, wanted: TokenRequest): Promise<Token | undefined> {
  const answer = await requestToken(ask, id, wanted).catch((error: unknown) => {
    if ((error as { status?: unknown }).status === 403) return undefined;
    throw error;
  });
  if (!answer || answer.status === 404) return undefined;
  if (answer.status < 400 && !isWithin(wanted, answer.data as GrantedAccess)) return undefined;
  return readToken(answer, wanted);
}

function requestToken(
  ask: Send,
  id: number,
  { repositories, permissions }: TokenRequest,
): Promise<GithubAnswer> {
  return ask('POST /app/installations/{installation_id}/access_tokens', {
    installation_id: id,
    repositories,
    permissions,
  });
}

function readToken({ status, data }: GithubAnswer, wanted: TokenRequest): Token {
  if (status === 404) throw notInstalled(wanted);
  if (status === 422)
    throw new ApiError(
      'InputError',
      `GitHub gives no such token: the app ${wanted.appName} must be installed for each of these repositories of ${wanted.owner}, with these permissions`,
    );
  const { token, expires_at } = data as { token?: unknown; expires_at?: unknown };
  if (typeof token !== 'string' || token === '' || !isDateTime(String(expires_at)))
    throw new Error('GitHub answered with no token');
  const expires = new Date(String(expires_at));
  if (!isWithin(wanted, data as GrantedAccess)) throw new Error('GitHub answered with a token for more');
  return { token, expires };
}

/** `account` is null or has no login if GitHub does not say who the owner is. */
type Installation = { id?: unknown; account?: { login?: unknown } | null; suspended_at?: unknown };

/** The id of the app's installation at an owner, which is an organisation or a user. */
async function findInstallation(ask: Send, wanted: TokenRequest): Promise<number> {
  const { owner } = wanted;
  let answer = await ask('GET /orgs/{owner}/installation', { owner });
  if (answer.status === 404) answer = await ask('GET /users/{owner}/installation', { owner });
  const { status, data } = answer;
  if (status === 404) throw notInstalled(wanted);
  // Scopes name the old owner, and the redirect leads to a new name; somebody else may take the old one.
  if (status === 301) throw renamed(owner);
  const { id, account, suspended_at } = data as Installation;
  if (typeof id !== 'number' || account === undefined)
    throw new Error('GitHub answered with no installation');
  if (typeof account?.login !== 'string')
    throw new ApiError(
      'InputError',
      `GitHub does not say that the installation of the app ${wanted.appName} is one of ${owner}: tokens are for organisations and users only`,
    );
  if (account.login.toLowerCase() !== owner) throw renamed(owner);
  if (suspended_at)
    throw new ApiError(
      'ResourceNotFound',
      `the installation of the app ${wanted.appName} at ${owner} is suspended`,
    );
  return id;
}

function renamed(owner: string): ApiError {
  return new ApiError(
    'InputError',
    `${owner} has another name at GitHub by now: use that, with scopes for it`,
  );
}

function notInstalled({ appName, owner }: TokenRequest): ApiError {
  return new ApiError('ResourceNotFound', `GitHub knows no installation of the app ${appName} at ${owner}`);
}

type GrantedAccess = {
  repository_selection?: string;
  repositories: { full_name: string }[];
  permissions: Record<string, string>;
};

/** Whether a token grants no more than was requested. GitHub lets every token read metadata. */
function isWithin({ owner, repositories, permissions }: TokenRequest, reach: GrantedAccess): boolean {
  const names = new Set(repositories.map((name) => `${owner}/${name}`));
  return (
    reach.repository_selection !== 'all' &&
    reach.repositories.every(({ full_name }) => names.has(full_name.toLowerCase())) &&
    Object.entries(reach.permissions).every(
      ([permission, level]) =>
        level === permissions[permission] || (permission === 'metadata' && level === 'read'),
    )
  );
}

/**
 * How long (s) to wait if an answer says that GitHub's rate limit is reached; undefined otherwise. The rules are those
 * of https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
 */
function retryAfterOf({ status, headers, data }: GithubAnswer, now: Date): number | undefined {
  const { 'retry-after': seconds, 'x-ratelimit-remaining': remaining, 'x-ratelimit-reset': reset } = headers;
  const isLimited =
    status === 429 ||
    (status === 403 && (seconds !== undefined || remaining === '0' || isSecondaryLimit(data)));
  if (!isLimited) return undefined;
  const waits = [Number(seconds) * 1000, remaining === '0' ? Number(reset) * 1000 - now.getTime() : NaN];
  const wait = waits.find((each) => each > 0 && each < DAY) ?? MINUTE;
  return Math.ceil(wait / 1000);
}

/** Some secondary limits are only announced in the message. */
function isSecondaryLimit(data: unknown): boolean {
  const { message } = (data ?? {}) as { message?: unknown };
  return typeof message === 'string' && message.toLowerCase().includes('secondary rate limit');
}
