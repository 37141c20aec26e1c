import { uptime } from 'node:process';
import type { Endpoint } from '../../http/endpoint.ts';
import { monitoringMethod } from './monitoringMethod.ts';

/** `ping`: whether the service is running, and for how long. */
export function ping(): Endpoint {
  return {
    ...monitoringMethod,
    name: 'ping',
    dialects: ['older', 'current'],
    route: '/ping',
    title: 'Ping',
    description:
      'Answers `{alive: true}` with the seconds since the service started. It touches no database.',
    handle: () => ({ body: { alive: true, uptime: uptime() } }),
  };
}
