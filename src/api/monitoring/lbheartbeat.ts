import type { Endpoint } from '../../http/endpoint.ts';
import { monitoringMethod } from './monitoringMethod.ts';

/** `lbheartbeat`: whether a load balancer may send requests here. */
export function lbheartbeat(): Endpoint {
  return {
    ...monitoringMethod,
    name: 'lbheartbeat',
    dialects: ['current'],
    route: '/__lbheartbeat__',
    title: 'Load Balancer Heartbeat',
    description:
      'Answers while the process does. It touches no database: a node that can change nothing can still authenticate.',
    handle: () => ({ body: {} }),
  };
}
