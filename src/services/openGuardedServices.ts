import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { type Endpoint, type EndpointReply, type EndpointRequest, scopeParamsOf } from '../http/endpoint.ts';
import { ApiError } from '../domain/errors.ts';
import type { Job } from '../process/schedule.ts';
import { askThirdParty } from './askThirdParty.ts';
import type { GuardedEndpoint, GuardedJob, GuardedService } from './guardedService.ts';
import type { RecordCredentials } from './recordCredentials.ts';

/** A job has as long (ms) as its whole list may take. */
const JOB_TIMEOUT = 5 * 60_000;

export type GuardedParts = {
  /** The settings by the name of the variable; a service whose setting is missing is not configured. */
  settings: Readonly<Record<string, unknown>>;
  /** Undefined: nothing is recorded. */
  recordCredentials: RecordCredentials | undefined;
  log: Logger;
};

/**
 * The endpoints and the jobs of guarded services. What all services have in common is here: one that is not configured says
 * what to set, its client is made once, third parties are asked with bounded patience, and no credentials leave unrecorded.
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
    // Lives are counted from when they are asked for: a body may have taken long to come in.
    const timedRequest = { ...request, now: new Date() };
    // Whoever lost the right meanwhile, or whose token was taken back, is told and given nothing.
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
