import { randomUUID } from 'node:crypto';
import { date, object, text } from '../../schemas/v1/schemaBuilders.ts';
import { ApiError } from '../domain/errors.ts';
import { askThirdParty } from './askThirdParty.ts';
import type { GuardedJob, GuardedRequest, GuardedService } from './guardedService.ts';
import { type ManagedKey, openSentryApi, type SentryApi, type SentrySetting } from './sentryApi.ts';
import { thirdPartyUrl } from './thirdPartyUrl.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** The lifetime (ms) of a DSN according to the reply. */
const PROMISED_LIFETIME = 24 * HOUR;
/**
 * A key is reused while it lasts at least this long (ms). The extra minute is for callers that join a request in
 * flight.
 */
const MIN_REMAINING_LIFETIME = PROMISED_LIFETIME + MINUTE;
/** The lifetime (ms) of a new key. */
const KEY_LIFETIME = 48 * HOUR;

/** Projects that the job works on concurrently. Sentry limits the concurrent requests of a caller. */
const CONCURRENCY = 3;
/** Time limit (ms) of the job for one project. */
const PROJECT_TIMEOUT = 20_000;

type Client = { api: SentryApi; keyOf(project: string, request: RequestContext): Promise<ManagedKey> };
type RequestContext = Pick<GuardedRequest, 'now' | 'signal'>;

const slug = { ...text, pattern: '^[A-Za-z0-9_-]{1,64}$' };

/** The DSN of a Sentry project. The project is created if it is missing. */
export const sentry: GuardedService<SentrySetting, Client> = {
  name: 'sentry',
  variable: 'SENTRY',
  needs:
    '{organization, baseUrl, authToken, initialTeam, keyPrefix}: whose projects, where (https), the token for its API, ' +
    'the team that new projects belong to, and what names of keys begin with',
  settingSchema: object({
    organization: slug,
    baseUrl: thirdPartyUrl,
    authToken: { ...text, pattern: '^[\\x21-\\x7e]{1,1000}$' },
    initialTeam: slug,
    // Sentry allows 64 characters for the name of a key. The rest of the name takes 46.
    keyPrefix: { ...text, pattern: '^[A-Za-z0-9._-]{1,18}$' },
  }),
  schemas: {
    'sentry-dsn-response': {
      title: 'The DSN of a project at Sentry',
      ...object({
        project: text,
        dsn: object({ secret: { ...text, format: 'uri' }, public: { ...text, format: 'uri' } }),
        expires: date,
      }),
    },
  },
  open(setting) {
    const api = openSentryApi(setting);
    return { api, keyOf: singleFlight((project, asked) => findOrCreateKey(api, project, asked)) };
  },
  endpoints: [
    {
      name: 'sentryDSN',
      dialects: ['older', 'current'],
      method: 'get',
      route: '/sentry/<project>/dsn',
      patterns: { project: /^[a-zA-Z0-9_-]{1,64}$/ },
      title: 'Get DSN for Sentry Project',
      description:
        'The DSN with which errors of a project can be sent to Sentry for a day, with a new project where there is none.',
      category: 'Sentry Credentials',
      stability: 'stable',
      scopes: 'auth:sentry:<project>',
      output: 'sentry-dsn-response',
      async issue({ keyOf }, request) {
        const project = request.params['project']!;
        const { dsn, expires } = await keyOf(project, request);
        // All callers share the key, and Sentry's keys do not expire: its end cannot be moved to that of the caller's
        // credentials.
        const promised = new Date(request.now.getTime() + PROMISED_LIFETIME);
        return { body: { project, dsn, expires: promised.toJSON() }, target: project, expires };
      },
    },
  ],
  jobs: [{ name: 'delete-expired-sentry-keys', every: HOUR, run: deleteExpiredKeys }],
};

async function findOrCreateKey(
  api: SentryApi,
  project: string,
  context: RequestContext,
): Promise<ManagedKey> {
  // Sentry also accepts an id instead of a slug, which would select another project than the scopes name.
  if (/^\d+$/.test(project))
    throw new ApiError('InputError', 'project must be a slug of Sentry, which has not only digits', {
      project,
    });
  const { now, signal } = context;
  const keys = (await api.keys(project, signal)) ?? (await keysOfNewProject(api, project, context));
  const [last] = keys.filter(({ isActive }) => isActive).sort((a, b) => +b.expires - +a.expires);
  if (last !== undefined && last.expires.getTime() >= now.getTime() + MIN_REMAINING_LIFETIME) return last;
  return api.createKey(project, new Date(now.getTime() + KEY_LIFETIME), signal);
}

/** Another node may create the project, with a key, at the same time. */
async function keysOfNewProject(
  api: SentryApi,
  project: string,
  { signal }: RequestContext,
): Promise<ManagedKey[]> {
  await api.createProject(project, signal);
  const keys = await api.keys(project, signal);
  if (keys === undefined) throw new Error('a project of Sentry is missing right after it was created');
  return keys;
}

/**
 * Coalesces concurrent calls with the same key into one. If the call that was made first runs into its time limit, a
 * call that still has time is made anew.
 */
function singleFlight<T>(
  ask: (what: string, asked: RequestContext) => Promise<T>,
): (what: string, asked: RequestContext) => Promise<T> {
  const inFlight = new Map<string, { answer: Promise<T>; signal: AbortSignal }>();
  return async function askOnce(what, asked): Promise<T> {
    const other = inFlight.get(what);
    if (other === undefined) {
      const answer = ask(what, asked).finally(() => inFlight.delete(what));
      inFlight.set(what, { answer, signal: asked.signal });
      return answer;
    }
    try {
      return await other.answer;
    } catch (error) {
      if (!other.signal.aborted || asked.signal.aborted) throw error;
      return askOnce(what, asked);
    }
  };
}

/**
 * Returns how many keys it deleted. A failure is logged, and the next run retries. When Sentry limits the rate, the run
 * ends.
 */
async function deleteExpiredKeys(
  { api }: Client,
  { now, signal, log }: Parameters<GuardedJob<Client>['run']>[1],
): Promise<number> {
  const asking = { service: 'sentry', method: 'delete-expired-sentry-keys', log };
  let deleted = 0;
  let isRateLimited = false;

  async function deleteKeysOf(project: string, stop: AbortSignal): Promise<void> {
    const keys = (await api.keys(project, stop)) ?? [];
    for (const { id } of keys.filter(({ expires }) => expires < now)) {
      await api.deleteKey(project, id, stop);
      deleted += 1;
    }
  }

  async function deleteKeysOfEach(projects: Iterable<string>): Promise<void> {
    for (const project of projects) {
      if (signal.aborted || isRateLimited) return;
      const incidentId = randomUUID();
      await askThirdParty(
        (late) => deleteKeysOf(project, AbortSignal.any([signal, late])).catch(ignoreWhenStopped),
        { ...asking, incidentId },
        PROJECT_TIMEOUT,
      ).catch((error: ApiError) => {
        // askThirdParty has logged any other error.
        if (error.code !== 'TooManyRequests') return;
        isRateLimited = true;
        log.warn({ job: asking.method, incidentId }, error.message);
      });
    }
  }

  function ignoreWhenStopped(error: unknown): void {
    if (!signal.aborted) throw error;
  }

  const projects = ((await api.projects(signal).catch(ignoreWhenStopped)) ?? []).values();
  await Promise.all(Array.from({ length: CONCURRENCY }, () => deleteKeysOfEach(projects)));
  return deleted;
}
