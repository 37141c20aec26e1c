import { randomUUID } from 'node:crypto';
import { date, object, text } from '../../schemas/v1/schemaBuilders.ts';
import { ApiError } from '../domain/errors.ts';
import { askThirdParty } from './askThirdParty.ts';
import type { GuardedJob, GuardedRequest, GuardedService } from './guardedService.ts';
import { type ManagedKey, openSentryApi, type SentryApi, type SentrySetting } from './sentryApi.ts';
import { thirdPartyUrl } from './thirdPartyUrl.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** How long (ms) a reply says that its DSN is good. */
const PROMISED = 24 * HOUR;
/** A key that is given again has so long (ms) left: also for those who join a request that is under way. */
const ENOUGH = PROMISED + MINUTE;
/** How long (ms) a new key is good. */
const LIFETIME = 48 * HOUR;

/** How many projects the job looks at together: Sentry counts how many requests of one caller are under way. */
const AT_ONCE = 3;
/** How long (ms) one project may keep the job. */
const PROJECT_PATIENCE = 20_000;

type Client = { api: SentryApi; keyOf(project: string, request: Asked): Promise<ManagedKey> };
type Asked = Pick<GuardedRequest, 'now' | 'signal'>;

const slug = { ...text, pattern: '^[A-Za-z0-9_-]{1,64}$' };

/** The DSN of a project at Sentry, which is created where it is missing. */
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
    // Names of keys have at most 64 characters at Sentry, of which the rest takes 46.
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
    return { api, keyOf: shared((project, asked) => findOrCreateKey(api, project, asked)) };
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
      async give({ keyOf }, request) {
        const project = request.params['project']!;
        const { dsn, expires } = await keyOf(project, request);
        // A key of Sentry has no end of its own, and all callers share it: it cannot be shortened to the caller's own end.
        const promised = new Date(request.now.getTime() + PROMISED);
        return { body: { project, dsn, expires: promised.toJSON() }, target: project, expires };
      },
    },
  ],
  jobs: [{ name: 'delete-expired-sentry-keys', every: HOUR, run: deleteExpiredKeys }],
};

async function findOrCreateKey(api: SentryApi, project: string, asked: Asked): Promise<ManagedKey> {
  // Where Sentry takes a slug it takes an id too, which would be another project than the scopes speak of.
  if (/^\d+$/.test(project))
    throw new ApiError('InputError', 'project must be a slug of Sentry, which has not only digits', {
      project,
    });
  const { now, signal } = asked;
  const keys = (await api.keys(project, signal)) ?? (await keysOfNewProject(api, project, asked));
  const [last] = keys.filter(({ isActive }) => isActive).sort((a, b) => +b.expires - +a.expires);
  if (last !== undefined && last.expires.getTime() >= now.getTime() + ENOUGH) return last;
  return api.createKey(project, new Date(now.getTime() + LIFETIME), signal);
}

/** Another node may have created it meanwhile, with a key. */
async function keysOfNewProject(api: SentryApi, project: string, { signal }: Asked): Promise<ManagedKey[]> {
  await api.createProject(project, signal);
  const keys = await api.keys(project, signal);
  if (keys === undefined) throw new Error('a project of Sentry is missing right after it was created');
  return keys;
}

/**
 * The same function, but who asks for something that somebody else is asking for gets the same answer. When the other runs out
 * of time, somebody who still has some asks anew.
 */
function shared<T>(
  ask: (what: string, asked: Asked) => Promise<T>,
): (what: string, asked: Asked) => Promise<T> {
  const underWay = new Map<string, { answer: Promise<T>; signal: AbortSignal }>();
  return async function askShared(what, asked): Promise<T> {
    const other = underWay.get(what);
    if (other === undefined) {
      const answer = ask(what, asked).finally(() => underWay.delete(what));
      underWay.set(what, { answer, signal: asked.signal });
      return answer;
    }
    try {
      return await other.answer;
    } catch (error) {
      if (!other.signal.aborted || asked.signal.aborted) throw error;
      return askShared(what, asked);
    }
  };
}

/** Answers how many it deleted. What fails is logged, and left to the next run; so is the rest when Sentry asks to wait. */
async function deleteExpiredKeys(
  { api }: Client,
  { now, signal, log }: Parameters<GuardedJob<Client>['run']>[1],
): Promise<number> {
  const asking = { service: 'sentry', method: 'delete-expired-sentry-keys', log };
  let deleted = 0;
  let isToWait = false;

  async function deleteOf(project: string, stop: AbortSignal): Promise<void> {
    const keys = (await api.keys(project, stop)) ?? [];
    for (const { id } of keys.filter(({ expires }) => expires < now)) {
      await api.deleteKey(project, id, stop);
      deleted += 1;
    }
  }

  async function deleteOfEach(projects: Iterable<string>): Promise<void> {
    for (const project of projects) {
      if (signal.aborted || isToWait) return;
      const incidentId = randomUUID();
      await askThirdParty(
        (late) => deleteOf(project, AbortSignal.any([signal, late])).catch(unlessStopped),
        { ...asking, incidentId },
        PROJECT_PATIENCE,
      ).catch((error: ApiError) => {
        // Anything else is logged already.
        if (error.code !== 'TooManyRequests') return;
        isToWait = true;
        log.warn({ job: asking.method, incidentId }, error.message);
      });
    }
  }

  function unlessStopped(error: unknown): void {
    if (!signal.aborted) throw error;
  }

  const projects = ((await api.projects(signal).catch(unlessStopped)) ?? []).values();
  await Promise.all(Array.from({ length: AT_ONCE }, () => deleteOfEach(projects)));
  return deleted;
}
