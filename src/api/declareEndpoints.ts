import { authenticationEndpoints } from './authentication.ts';
import { clientEndpoints } from './clients.ts';
import type { Endpoint } from '../http/endpoint.ts';
import { historyEndpoints } from './history.ts';
import { monitoringEndpoints } from './monitoring.ts';
import { roleEndpoints } from './roles.ts';
import { scopeEndpoints } from './scopes.ts';
import type { Services } from './services.ts';

/** Every method of the API, in the order of its documentation. */
export function declareEndpoints(services: Services): Endpoint[] {
  return [
    ...monitoringEndpoints(services),
    ...clientEndpoints(services),
    ...historyEndpoints(services),
    ...roleEndpoints(services),
    ...scopeEndpoints(services),
    ...authenticationEndpoints(services),
  ];
}
