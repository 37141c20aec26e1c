import { date, object, text } from '../../schemas/v1/schemaBuilders.ts';
import { ApiError } from '../domain/errors.ts';
import { RecentlyUsed } from '../domain/recentlyUsed.ts';
import { isDateTime } from '../http/isDateTime.ts';
import { boundedFetch } from './boundedFetch.ts';
import { type GithubAnswer, githubLimit } from './githubLimit.ts';
import { githubPermissions } from './githubPermissions.ts';
import type { GuardedRequest, GuardedService } from './guardedService.ts';
import { rsaPrivateKey } from '../config/rsaPrivateKey.ts';
import { thirdPartyUrl, withoutSlash } from './thirdPartyUrl.ts';

type Setting = Record<string, { appId: number | string; privateKey: string; apiUrl: string }>;

/** Sends a request that an app signs; answers what GitHub did, and throws an error with it as `response` for a status from 400 on. */
type Send = (route: string, parameters: object) => Promise<GithubAnswer>;

/** The apps by name. */
type Client = Map<string, App>;

/** `installations` are those that were looked up lately, by owner. */
type App = { send: Send; installations: RecentlyUsed<KeptInstallation> };

/** `lookedUp` is in milliseconds. */
type KeptInstallation = { id: number; lookedUp: number };

type Body = { repositories: string[]; permissions: Record<string, string> };

/** What a token is to be for, with repositories and owner in lower case, which are the same to GitHub. */
type Wanted = Body & { appName: string; owner: string };

const APP = /^[A-Za-z0-9._-]{1,100}$/;
/** Such as can stand in a path of GitHub's API: without dots. */
const OWNER = /^[A-Za-z0-9_-]{1,100}$/;
/** GitHub takes no longer names of repositories (characters); the published schema has no limit. */
const LONGEST_NAME = 100;
/** For how long (ms) an installation is not looked up again, and how many are kept of each app. */
const KEPT_FOR = 60 * 60_000;
const MOST_KEPT = 1000;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Installation tokens of GitHub Apps, for some repositories of one owner. They last as long as GitHub says: an hour. */
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
      // It only signs: tokens that it asked for itself would be shared by all that want the same at the same time.
      const { hook } = createAppAuth({ appId, privateKey, log: silent });
      const send: Send = request.defaults({
        baseUrl: withoutSlash(apiUrl),
        headers: { 'x-github-api-version': '2022-11-28' },
        request: { hook, fetch: boundedFetch, redirect: 'manual', log: silent },
      });
      return [name, { send, installations: new RecentlyUsed<KeptInstallation>(MOST_KEPT) }] as const;
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
        const { owner, repositories, permissions } = wantedIn(request);
        const levels = levelsOf(permissions);
        const repoPerms = repositories.flatMap((name) => levels.map((level) => `${name}:${level}`));
        return { owner, repoPerms };
      },
      input: 'github-repo-token-request',
      output: 'github-token-response',
      async give(apps, request) {
        const wanted = wantedIn(request);
        const { appName, owner, repositories, permissions } = wanted;
        const app = apps.get(appName);
        if (!app)
          throw new ApiError('ResourceNotFound', `the app ${appName} is not one of those configured here`);
        const ask: Send = (route, parameters) => answerOf(app.send, { route, parameters }, request);
        const { token, expires } = await tokenFrom({ ...app, ask, now: request.now }, wanted);
        return {
          body: { token, expires: expires.toJSON() },
          target: `${appName}/${owner}/${repositories.join(',')}`,
          level: levelsOf(permissions).join(','),
          expires,
        };
      },
    },
  ],
};

/** Throws InputError for a name that is too long: as many scopes as there are permissions have it in them. */
function wantedIn({ params, body }: Pick<GuardedRequest, 'params' | 'body'>): Wanted {
  const { repositories, permissions } = body as Body;
  if (repositories.some((name) => name.length > LONGEST_NAME))
    throw new ApiError(
      'InputError',
      `the name of a repository has at most ${LONGEST_NAME} characters at GitHub`,
    );
  return {
    appName: params['appName']!,
    owner: params['owner']!.toLowerCase(),
    repositories: [...new Set(repositories.map((name) => name.toLowerCase()))].sort(),
    permissions,
  };
}

function levelsOf(permissions: Body['permissions']): string[] {
  return Object.entries(permissions)
    .map(([permission, level]) => `${permission}:${level}`)
    .sort();
}

/** An answer, also one that something is not there (404) or not possible (422). Throws TooManyRequests where GitHub says so. */
async function answerOf(
  send: Send,
  { route, parameters }: { route: string; parameters: object },
  { signal, now }: GuardedRequest,
): Promise<GithubAnswer> {
  try {
    return await send(route, { ...parameters, request: { signal } });
  } catch (error) {
    const { response } = error as { response?: GithubAnswer };
    if (response?.status === 404 || response?.status === 422) return response;
    const retryAfter = response && githubLimit(response, now);
    if (retryAfter === undefined) throw error;
    throw new ApiError(
      'TooManyRequests',
      `GitHub takes no more requests of this app for now: try again in ${retryAfter} s`,
      { retryAfter },
    );
  }
}

type Token = { token: string; expires: Date };

/** Throws ResourceNotFound and InputError; a plain Error where GitHub answered with something else than was asked for. */
async function tokenFrom(
  { ask, installations, now }: Pick<App, 'installations'> & { ask: Send; now: Date },
  wanted: Wanted,
): Promise<Token> {
  const { owner } = wanted;
  const kept = installations.get(owner);
  const isRecent = kept && now.getTime() - kept.lookedUp < KEPT_FOR;
  const token = isRecent && (await tokenOfKept(ask, kept.id, wanted));
  if (token) return token;
  installations.delete(owner);
  const id = await installationOf(ask, wanted);
  installations.set(owner, { id, lookedUp: now.getTime() });
  return tokenIn(await askForToken(ask, id, wanted), wanted);
}

/**
 * A token of an installation that was looked up before. Undefined where that is gone (404) or suspended (403) by now, or its owner has
 * another name: looking it up again tells which.
 */
async function tokenOfKept(ask: Send, id: number, wanted: Wanted): Promise<Token | undefined> {
  const answer = await askForToken(ask, id, wanted).catch((error: unknown) => {
    if ((error as { status?: unknown }).status === 403) return undefined;
    throw error;
  });
  if (!answer || answer.status === 404) return undefined;
  if (answer.status < 400 && !isNoMoreThan(wanted, answer.data as Reach)) return undefined;
  return tokenIn(answer, wanted);
}

function askForToken(ask: Send, id: number, { repositories, permissions }: Wanted): Promise<GithubAnswer> {
  return ask('POST /app/installations/{installation_id}/access_tokens', {
    installation_id: id,
    repositories,
    permissions,
  });
}

function tokenIn({ status, data }: GithubAnswer, wanted: Wanted): Token {
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
  if (!isNoMoreThan(wanted, data as Reach)) throw new Error('GitHub answered with a token for more');
  return { token, expires };
}

/** `account` is null, or has no login, where GitHub does not say whose an installation is. */
type Installation = { id?: unknown; account?: { login?: unknown } | null; suspended_at?: unknown };

/** The id of the app's installation at an owner, who may be an organisation or a user. */
async function installationOf(ask: Send, wanted: Wanted): Promise<number> {
  const { owner } = wanted;
  let answer = await ask('GET /orgs/{owner}/installation', { owner });
  if (answer.status === 404) answer = await ask('GET /users/{owner}/installation', { owner });
  const { status, data } = answer;
  if (status === 404) throw notInstalled(wanted);
  // Scopes are for a name: what it became is another one, and somebody else may take the old one.
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

function notInstalled({ appName, owner }: Wanted): ApiError {
  return new ApiError('ResourceNotFound', `GitHub knows no installation of the app ${appName} at ${owner}`);
}

type Reach = {
  repository_selection?: string;
  repositories: { full_name: string }[];
  permissions: Record<string, string>;
};

/** Whether a token reaches no further than wanted. GitHub lets every token read metadata. */
function isNoMoreThan({ owner, repositories, permissions }: Wanted, reach: Reach): boolean {
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
