import { authenticateCall, type Signer, signedCall, temporary } from './calls.ts';
import { grantsOf, realRoles } from './fill.ts';
import { type Call, once } from './load.ts';
import type { Running } from './servers.ts';

/** A service that runs, with clients of its log that may sign. */
export type Service = { server: Running; signers: Signer[] };

/** The static client that every service of the bench is started with: it has all scopes. */
export const root: Signer = { clientId: 'static/root', accessToken: 'root-token-of-the-bench-0123456789' };

/** The settings of a service of the bench, over a folder of data. */
export function settingsOver(dataDir: string): Record<string, string> {
  const clients = JSON.stringify([{ ...root, description: '', scopes: ['*'] }]);
  return { DATA_DIR: dataDir, PORT: '0', STATIC_CLIENTS: clients };
}

/** Writers that change something at the same time. */
export const WRITERS = 64;

const expires = '2099-01-01T00:00:00.000Z';
const clientBody = { description: 'made by the bench', expires, scopes: ['project:bench:*'] };
let made = 0;

/** Asks who signed a request, for one signer after the other. */
export const authenticating =
  ({ signers }: Pick<Service, 'signers'>): (() => Call) =>
  () =>
    authenticateCall(signers[(made += 1) % signers.length]!);

/** The same with temporary credentials from every signer, limited to the role that it has. */
export function authenticatingLent({ signers }: Pick<Service, 'signers'>): () => Call {
  const lent = signers.map((signer, i) => {
    const { role, lentName } = grantsOf(i);
    return temporary(signer, { clientId: lentName, scopes: [role], authorizedScopes: [role] });
  });
  return authenticating({ signers: lent });
}

/** Expands one real role after the other. */
export function expanding({ server }: Service): () => Call {
  const roleIds = realRoles.map(({ roleId }) => roleId);
  return () =>
    signedCall(root, server.port, {
      method: 'POST',
      route: '/scopes/expand',
      body: { scopes: [`assume:${roleIds[(made += 1) % roleIds.length]}`] },
    });
}

export const creatingClients =
  ({ server }: Service): (() => Call) =>
  () => {
    const route = `/clients/bench%2F${(made += 1)}`;
    return signedCall(root, server.port, { method: 'PUT', route, body: clientBody });
  };

/** Changes clients that it creates first, so many that each writer has one of its own. */
export async function updatingClients({ server }: Service): Promise<() => Call> {
  const routeOf = (turn: number): string => `/clients/writer%2F${turn % WRITERS}`;
  for (let turn = 0; turn < WRITERS; turn += 1) {
    const create = { method: 'PUT', route: routeOf(turn), body: clientBody };
    await once(server.port, signedCall(root, server.port, create));
  }
  let turn = 0;
  return () => {
    const body = { ...clientBody, description: `changed ${(turn += 1)}` };
    return signedCall(root, server.port, { method: 'POST', route: routeOf(turn), body });
  };
}

export const creatingRoles =
  ({ server }: Service): (() => Call) =>
  () => {
    const body = { description: '', scopes: [`project:bench:${made}`, 'assume:made-project:7'] };
    return signedCall(root, server.port, { method: 'PUT', route: `/roles/bench:${(made += 1)}`, body });
  };

/** Changes real roles that others have, so that there is something to expand anew. */
export const updatingRoles =
  ({ server }: Service): (() => Call) =>
  () => {
    const { roleId, scopes } = realRoles[(made += 1) % 40]!;
    const body = { description: `changed ${made}`, scopes: [...scopes, `project:bench:${made}`] };
    const route = `/roles/${encodeURIComponent(roleId)}`;
    return signedCall(root, server.port, { method: 'POST', route, body });
  };

/** Measures while roles change, 20 times a second. */
export async function whileRolesChange<T>(service: Service, measure: () => Promise<T>): Promise<T> {
  const update = updatingRoles(service);
  let isOver = false;
  const changing = (async () => {
    for (let at = performance.now(); !isOver; at += 50) {
      await once(service.server.port, update());
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, at + 50 - performance.now())));
    }
  })();
  const measured = await measure();
  isOver = true;
  await changing;
  return measured;
}
