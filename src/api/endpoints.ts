import type { Authenticate } from '../authentication/authenticate.ts';
import type { Endpoint } from '../http/endpoint.ts';
import type { RequestedState } from '../http/requestedState.ts';
import type { ClientHistory } from '../readSide/clientHistory.ts';
import type { FormerStates } from '../readSide/formerStates.ts';
import type { Moments } from '../readSide/moments.ts';
import { getEntityHistory } from './audit/getEntityHistory.ts';
import { listAuditHistory } from './audit/listAuditHistory.ts';
import { explain } from './auditors/explain.ts';
import { history } from './auditors/history.ts';
import { whatChanged } from './auditors/whatChanged.ts';
import { whoCan } from './auditors/whoCan.ts';
import { authenticateHawk } from './authentication/authenticateHawk.ts';
import { testAuthenticate } from './authentication/testAuthenticate.ts';
import { testAuthenticateGet } from './authentication/testAuthenticateGet.ts';
import { client } from './clients/client.ts';
import { createClient } from './clients/createClient.ts';
import { deleteClient } from './clients/deleteClient.ts';
import { disableClient } from './clients/disableClient.ts';
import { enableClient } from './clients/enableClient.ts';
import { listClients } from './clients/listClients.ts';
import { resetAccessToken } from './clients/resetAccessToken.ts';
import { updateClient } from './clients/updateClient.ts';
import { type Health, heartbeat } from './monitoring/heartbeat.ts';
import { lbheartbeat } from './monitoring/lbheartbeat.ts';
import { ping } from './monitoring/ping.ts';
import { version } from './monitoring/version.ts';
import { createRole } from './roles/createRole.ts';
import { deleteRole } from './roles/deleteRole.ts';
import { listRoleIds } from './roles/listRoleIds.ts';
import { listRoles } from './roles/listRoles.ts';
import { listRoles2 } from './roles/listRoles2.ts';
import { role } from './roles/role.ts';
import { updateRole } from './roles/updateRole.ts';
import { currentScopes } from './scopes/currentScopes.ts';
import { expandScopes } from './scopes/expandScopes.ts';
import { expandScopesGet } from './scopes/expandScopesGet.ts';

/** The dependencies of the endpoints; each endpoint gets those that it uses. */
export type EndpointParts = {
  /** Reads and changes clients and roles. */
  core: Parameters<typeof createClient>[0] & { requestedState: RequestedState };
  clientHistory: ClientHistory;
  /** The past of the log. */
  past: { moments: Moments; formerStates: FormerStates };
  authenticate: Authenticate;
  health: Health;
};

/** All methods of the API except those of guarded services, in the order of its documentation. */
export function makeEndpoints({
  core,
  clientHistory,
  past,
  authenticate,
  health,
}: EndpointParts): Endpoint[] {
  const { eventStore, projector, longWork } = core;
  return [
    ping(),
    lbheartbeat(),
    version(),
    heartbeat(health),
    ...listClients(core),
    client(core),
    createClient(core),
    resetAccessToken(core),
    updateClient(core),
    enableClient(core),
    disableClient(core),
    deleteClient(core),
    getEntityHistory({ projector, clientHistory, longWork }),
    listAuditHistory(core),
    listRoles(core),
    listRoles2(core),
    listRoleIds(core),
    role(core),
    createRole(core),
    updateRole(core),
    deleteRole(core),
    ...expandScopes(core),
    expandScopesGet(core),
    currentScopes(core),
    ...authenticateHawk({ authenticate, longWork }),
    ...testAuthenticate(core),
    testAuthenticateGet(core),
    explain(core),
    whoCan({ ...core, ...past }),
    whatChanged({ ...core, ...past }),
    history({ ...past, eventStore, projector, longWork }),
  ];
}
