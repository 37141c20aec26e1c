import { uptime } from 'node:process';
import { SERVICE_VERSION } from '../version.ts';
import { ApiError } from '../domain/errors.ts';
import type { Endpoint } from './endpoint.ts';
import type { Services } from './services.ts';

/** The endpoints for whoever watches over this service. */
export function monitoringEndpoints({ checkBackends, publisher }: Services): Endpoint[] {
  const common = {
    method: 'get',
    category: 'Monitoring',
    stability: 'stable',
    authentication: 'none',
    stateless: true,
  } as const;

  return [
    {
      ...common,
      name: 'ping',
      dialects: ['older', 'current'],
      route: '/ping',
      title: 'Ping',
      description:
        'Answers `{alive: true}` with the seconds since the service started. It touches no database.',
      handle: () => ({ body: { alive: true, uptime: uptime() } }),
    },
    {
      ...common,
      name: 'lbheartbeat',
      dialects: ['current'],
      route: '/__lbheartbeat__',
      title: 'Load Balancer Heartbeat',
      description: 'Answers while the process does. It touches no database.',
      handle: () => ({ body: {} }),
    },
    {
      ...common,
      name: 'version',
      dialects: ['current'],
      route: '/__version__',
      title: 'Version',
      description: 'Name and version of the program that answers.',
      handle: () => ({ body: { source: 'authledger', version: SERVICE_VERSION, commit: '', build: '' } }),
    },
    {
      ...common,
      name: 'heartbeat',
      dialects: ['current'],
      route: '/__heartbeat__',
      title: 'Heartbeat',
      description:
        'Answers while the service has its databases and its answers are up to date; else 503 with the reason. ' +
        'Where changes are published, it says how far that has come; no request ever waits for it.',
      async handle() {
        try {
          await checkBackends();
          return { body: publisher ? { publisher: await publisher.state() } : {} };
        } catch (error) {
          if (error instanceof ApiError) throw error;
          throw new ApiError('ServiceUnavailable', 'a database does not answer');
        }
      },
    },
  ];
}
