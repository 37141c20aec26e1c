import { ApiError } from '../domain/errors.ts';
import { boundedFetch } from './boundedFetch.ts';
import { withoutTrailingSlash } from './thirdPartyUrl.ts';

export type SentrySetting = {
  organization: string;
  baseUrl: string;
  authToken: string;
  initialTeam: string;
  keyPrefix: string;
};

/** A key of a project that this service created. Its name says so. */
export type ManagedKey = {
  id: string;
  isActive: boolean;
  dsn: { secret: string; public: string };
  expires: Date;
};

export type SentryApi = ReturnType<typeof openSentryApi>;

/** The longest list (pages) that is read. Sentry puts 100 entries on a page. */
const MAX_PAGES = 100;
/** How long (s) to wait if Sentry does not say, and the maximum. */
const DEFAULT_RETRY_AFTER = 60;
const MAX_RETRY_AFTER = 3600;

type Call = {
  method?: 'POST' | 'DELETE';
  path: string[];
  cursor?: string;
  body?: object;
  signal: AbortSignal;
};

/**
 * A client for the part of Sentry's REST API (https://docs.sentry.io/api/) that manages the keys of projects. Throws
 * TooManyRequests when Sentry limits the rate, InputError for a project name that it refuses, and an Error with the
 * `status` for any other refusal.
 */
export function openSentryApi(setting: SentrySetting) {
  const { organization, initialTeam, keyPrefix } = setting;

  async function list<T>(
    path: string[],
    read: (entries: unknown[]) => T[],
    signal: AbortSignal,
  ): Promise<T[]> {
    const found: T[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const { headers, body } = await call(setting, { path, cursor, signal });
      if (!Array.isArray(body)) throw new TypeError('a list of Sentry is none');
      found.push(...read(body));
      cursor = nextCursor(headers.get('link') ?? '');
      if (cursor === undefined) return found;
    }
    throw new RangeError('a list of Sentry has more pages than are read');
  }

  return {
    /** The keys of a project that this service created; undefined if there is no such project. */
    keys(project: string, signal: AbortSignal): Promise<ManagedKey[] | undefined> {
      const read = (entries: unknown[]) =>
        entries.flatMap((entry) => parseManagedKey(entry, keyPrefix) ?? []);
      return list(['projects', organization, project, 'keys'], read, signal).catch(ignoreStatus(404));
    },

    async createKey(project: string, expires: Date, signal: AbortSignal): Promise<ManagedKey> {
      const path = ['projects', organization, project, 'keys'];
      const name = keyName(keyPrefix, expires);
      const { body } = await call(setting, { method: 'POST', path, body: { name }, signal });
      const key = parseManagedKey(body, keyPrefix);
      if (key?.expires.getTime() !== expires.getTime())
        throw new TypeError('a key that was created at Sentry has another name');
      return key;
    },

    /** Does nothing if the key is already gone. */
    async deleteKey(project: string, id: string, signal: AbortSignal): Promise<void> {
      const path = ['projects', organization, project, 'keys', id];
      await call(setting, { method: 'DELETE', path, signal }).catch(ignoreStatus(404));
    },

    /** Does nothing if the project already exists. */
    async createProject(project: string, signal: AbortSignal): Promise<void> {
      const path = ['teams', organization, initialTeam, 'projects'];
      const body = { name: project, slug: project };
      try {
        await call(setting, { method: 'POST', path, body, signal }).catch(ignoreStatus(409));
      } catch (error) {
        if (statusOf(error) !== 400) throw error;
        throw new ApiError(
          'InputError',
          'Sentry takes no new project of this name: it must have lower-case letters, digits, - and _ only, and not digits alone',
          { project },
        );
      }
    },

    /** The slugs of all projects. */
    projects(signal: AbortSignal): Promise<string[]> {
      const read = (entries: unknown[]) =>
        entries.map((entry) => pathSegment((entry as { slug?: unknown }).slug));
      return list(['organizations', organization, 'projects'], read, signal);
    },
  };
}

async function call(
  { baseUrl, authToken }: SentrySetting,
  { method, path, cursor, body, signal }: Call,
): Promise<{ headers: Headers; body: unknown }> {
  const url = new URL(`${withoutTrailingSlash(baseUrl)}/api/0/${path.join('/')}/`);
  if (cursor !== undefined) url.searchParams.set('cursor', cursor);
  const response = await boundedFetch(url, {
    method: method ?? 'GET',
    headers: { authorization: `Bearer ${authToken}`, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
    // A redirect must not carry the token to another host.
    redirect: 'manual',
    signal,
  });
  const { ok, status, headers } = response;
  if (!ok) await response.body?.cancel();
  if (status === 429) throw tooManyRequestsError(headers);
  if (!ok) throw Object.assign(new Error('Sentry refused'), { status });
  const answer = await response.text();
  return { headers, body: answer === '' ? undefined : JSON.parse(answer) };
}

function statusOf(error: unknown): unknown {
  return (error as { status?: unknown }).status;
}

/** An error handler that returns undefined for an answer with this status, and rethrows any other error. */
function ignoreStatus(status: number): (error: unknown) => undefined {
  return (error) => {
    if (statusOf(error) !== status) throw error;
    return undefined;
  };
}

function tooManyRequestsError(headers: Headers): ApiError {
  const retryAfter = retryAfterSeconds(headers);
  return new ApiError('TooManyRequests', `Sentry is asked too often: try again in ${retryAfter} s`, {
    retryAfter,
  });
}

/** Retry-After is in seconds or a date. Sentry's own header is in seconds since 1970. */
function retryAfterSeconds(headers: Headers): number {
  const after = headers.get('retry-after') || 'not said';
  const reset = headers.get('x-sentry-rate-limit-reset') || 'not said';
  const now = Date.now() / 1000;
  const wait = [Number(after), Date.parse(after) / 1000 - now, Number(reset) - now, DEFAULT_RETRY_AFTER].find(
    Number.isFinite,
  )!;
  return Math.min(Math.max(Math.ceil(wait), 1), MAX_RETRY_AFTER);
}

/** The cursor of the next page, if the Link header says that it has entries. */
function nextCursor(link: string): string | undefined {
  const next = link.split(/,\s*(?=<)/).find((each) => /;\s*rel="next"/.test(each));
  return next !== undefined && /;\s*results="true"/.test(next)
    ? /;\s*cursor="([^"]{1,200})"/.exec(next)?.[1]
    : undefined;
}

/**
 * An entry of a list of keys; undefined for a key that this service did not create. Throws TypeError for an unexpected
 * form.
 */
function parseManagedKey(entry: unknown, keyPrefix: string): ManagedKey | undefined {
  const { id, name, isActive, dsn } = entry as { [name: string]: unknown; dsn?: ManagedKey['dsn'] };
  const expires = keyExpiry(keyPrefix, name);
  if (expires === undefined) return undefined;
  if (!URL.canParse(dsn?.secret ?? '') || !URL.canParse(dsn?.public ?? ''))
    throw new TypeError('a key of Sentry has no DSN');
  const { secret, public: open } = dsn!;
  return { id: pathSegment(id), isActive: isActive !== false, dsn: { secret, public: open }, expires };
}

/** A path segment from Sentry. Throws TypeError for one that would change the path. */
function pathSegment(value: unknown): string {
  if (typeof value === 'string' && /^[A-Za-z0-9_-]{1,200}$/.test(value)) return value;
  throw new TypeError('a slug or id of Sentry is none');
}

/** The name of a key, which contains its expiry. */
export function keyName(prefix: string, expires: Date): string {
  return `${prefix} managed (expires-at:${expires.toJSON()})`;
}

/** The expiry in the name of a key; undefined for a name that this service did not create with this prefix. */
export function keyExpiry(prefix: string, name: unknown): Date | undefined {
  if (typeof name !== 'string') return undefined;
  const expires = new Date(/ \(expires-at:([0-9TZ:.+-]{1,30})\)$/.exec(name)?.[1] ?? NaN);
  return Number.isNaN(expires.getTime()) || keyName(prefix, expires) !== name ? undefined : expires;
}
