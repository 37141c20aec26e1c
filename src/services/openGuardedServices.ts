import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { type Endpoint, type EndpointReply, type EndpointRequest, scopeParamsOf } from '../http/endpoint.ts';
import { ApiError } from '../domain/errors.ts';
import type { Job } from '../process/schedule.ts';
import { askThirdParty } from './askThirdParty.ts';
import type { GuardedEndpoint, GuardedJob, GuardedService } from './guardedService.ts';
import type { RecordCredentials } from './recordCredentials.ts';

/** Time limit (ms) for one run of a job. */
const JOB_TIMEOUT = 5 * 60_000;

export type GuardedParts = {
  /** The settings by variable name. A service without a setting is not configured. */
  settings: Readonly<Record<string, unknown>>;
  /** Undefined if nothing is to be recorded. */
  recordCredentials: RecordCredentials | undefined;
  log: Logger;
};

/**
 * The endpoints and the jobs of guarded services, with what all services have in common: the reply if a service is not
 * configured, its client, which is created once, the time limit for third parties, and the record of issued
 * credentials.
 */
export function openGuardedServices(
  services: readonly GuardedService[],
  parts: GuardedParts,
): { endpoints: Endpoint[]; jobs: Job[] } {
  const opened = services.map((service) => openGuardedService(service, parts));
  return {
    endpoints: opened.flatMap(({ endpoints }) => endpoints),
    jobs: opened.flatMap(({ jobs }) => jobs),
  };
}

function openGuardedService(
  { name: service, variable, needs, open, endpoints, jobs = [] }: GuardedService,
  { settings, recordCredentials, log }: GuardedParts,
): { endpoints: Endpoint[]; jobs: Job[] } {
  const isConfigured = settings[variable] !== undefined;
  let opening: Promise<unknown> | undefined;

  function client(): Promise<unknown> {
    return (opening ??= (async () => open(settings[variable]))().catch((error: unknown) => {
      opening = undefined;
      throw error;
    }));
  }

  async function answer(
    endpoint: GuardedEndpoint<unknown>,
    request: EndpointRequest,
  ): Promise<EndpointReply> {
    if (!isConfigured) {
      if ('whenNotConfigured' in endpoint) return { body: endpoint.whenNotConfigured };
      throw new ApiError(
        'ResourceNotFound',
        `${service} is not configured here: an administrator must set ${variable} to ${needs}`,
      );
    }
    const call = { service, method: endpoint.name, incidentId: request.origin.requestId, log };
    // Lifetimes count from now: the body may have taken long to arrive.
    const timedRequest = { ...request, now: new Date() };
    // A caller that lost the scopes, or whose token was revoked, in the meantime gets nothing.
    const reauthorize = () => request.authorize(scopeParamsOf(endpoint, request));
    if ('read' in endpoint) {
      const { read: tell } = endpoint;
      const body = await askThirdParty(
        async (signal) => tell(await client(), { ...timedRequest, signal }),
        call,
      );
      await reauthorize();
      return { body };
    }
    const { issue: give } = endpoint;
    const issued = await askThirdParty(
      async (signal) => give(await client(), { ...timedRequest, signal }),
      call,
    );
    await reauthorize();
    if (recordCredentials) {
      await recordCredentials(service, issued, request);
      await reauthorize();
    }
    return { body: issued.body, holdsSecret: true };
  }

  function asJob({ name, every, run }: GuardedJob<unknown>): Job {
    return {
      name,
      every,
      run: (stopping) =>
        askThirdParty(
          async (late) =>
            run(await client(), { now: new Date(), signal: AbortSignal.any([stopping, late]), log }),
          { service, method: name, incidentId: randomUUID(), log },
          JOB_TIMEOUT,
        ),
    };
  }

  return {
    endpoints: endpoints.map((endpoint) => ({
      ...endpoint,
      ...('issue' in endpoint && isConfigured && { quota: 'credentials' as const }),
      handle: (request: EndpointRequest) => answer(endpoint, request),
    })),
    jobs: isConfigured ? jobs.map(asJob) : [],
  };
}
