import { uptime } from 'node:process';
import { SERVICE_VERSION } from '../process/version.ts';
import { ApiError } from '../domain/errors.ts';
import type { Endpoint } from '../http/endpoint.ts';
import type { Services } from './services.ts';

/** The endpoints for whoever watches over this service. */
export function monitoringEndpoints({ checkBackends, diskReserve, publisher }: Services): Endpoint[] {
  const common = {
    method: 'get',
    category: 'Monitoring',
    stability: 'stable',
    authentication: 'none',
    stateless: true,
    quota: 'none',
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
      description:
        'Answers while the process does. It touches no database: a node that can change nothing can still authenticate.',
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
        'Answers while this node is up to date, its databases can be read and written to, and the tokens of clients are there; ' +
        'else 503 naming what fails. It rests on the last changes, and on a probe every 10 s at most where there are none: ' +
        'asking often costs nothing. It is for who watches over the service; load balancers ask `__lbheartbeat__`. ' +
        'Where changes are published, it says how far that has come; no request ever waits for it. While space on the disk is low, ' +
        'it has a `warning`; once the reserve for a full disk is in use, it is 503.',
      async handle() {
        try {
          await checkBackends();
          if (diskReserve.isUsed())
            throw new ApiError(
              'ServiceUnavailable',
              'this service is not well: the disk is full, and its reserve is in use, so that rights can only be taken away',
            );
          const warning = diskReserve.warning();
          return {
            body: {
              ...(warning !== undefined && { warning }),
              ...(publisher && { publisher: await publisher.state() }),
            },
          };
        } catch (error) {
          if (error instanceof ApiError) throw error;
          throw new ApiError('ServiceUnavailable', 'a database does not answer');
        }
      },
    },
  ];
}
