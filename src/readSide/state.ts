import type { ClientRow } from '../../projections/clients.ts';
import type { RoleRow } from '../../projections/roles.ts';
import type { RoleDefinition } from '../domain/roleDefinition.ts';
import type { RoleGraph } from '../domain/roleGraph.ts';
import type { RoleScopes } from '../domain/roleScopes.ts';
import { makeYielder } from '../process/timeSlicing.ts';
import type { StoredRow } from '../readStore/readStore.ts';
import { makePresentRoleScopes } from './presentRoleScopes.ts';
import type { LastUsed } from './lastUsed.ts';
import type { Moment } from './moments.ts';
import type { Projector } from './projector.ts';

/** Roles with what they expand to. */
export type Roles = ExpandingRoles<RoleRow>;
/** The same, as far as expansion is concerned. */
export type RoleDefinitions = ExpandingRoles<RoleDefinition>;
type ExpandingRoles<R extends RoleDefinition> = Pick<
  RoleGraph<R>,
  'get' | 'idsAfter' | 'expandInSlices' | 'inSnapshot'
>;

/** A page of clients in byte order of their ids. It may be short, or even empty: continue after `last`. */
export type ClientPage = { rows: StoredRow<ClientRow>[]; last: string | undefined };

/** Clients and roles, as they are now or as they were at a moment. */
export type State = {
  /** The moment; undefined for the present. */
  moment: Moment | undefined;
  /** A client; undefined if there is none. */
  client(clientId: string): Promise<ClientRow | undefined>;
  /** Clients after an id that begin with a prefix. */
  clients(page: { prefix?: string; after?: string; limit: number }): Promise<ClientPage>;
  /** When a client was last used in its present life. Of the past, only its creation is known. */
  lastUsed(client: ClientRow): Promise<string>;
  /** A role; undefined if there is none. */
  role(roleId: string): Promise<RoleRow | undefined>;
  /** Roles among which are all that these scopes reach, so that they can be expanded. */
  rolesReachedBy(scopes: readonly string[]): Promise<RoleDefinitions>;
  /** All roles. */
  allRoles(): Promise<Roles>;
  /** The own scopes of all roles, indexed for the question of who holds a scope. */
  roleScopes(): Promise<RoleScopes>;
};

/** The state as this node's read models hold it. */
export function presentState(projector: Projector, lastUsed: LastUsed): State {
  const { clients, roleGraph } = projector;
  return {
    moment: undefined,
    client: (clientId) => clients.get(clientId),
    clients: (page) => clients.list(page),
    lastUsed: (client) => lastUsed.of(client),
    role: async (roleId) => roleGraph.get(roleId),
    rolesReachedBy: async () => roleGraph,
    allRoles: async () => roleGraph,
    roleScopes: makePresentRoleScopes(projector),
  };
}

/** Roles among which are all that are needed to expand some sets of scopes: whoever has all scopes needs none. */
export function rolesToExpand<R extends RoleDefinitions>(
  state: { rolesReachedBy(scopes: readonly string[]): Promise<R> },
  scopeSets: readonly (readonly string[])[],
): Promise<R> {
  return state.rolesReachedBy(scopeSets.filter((scopes) => !scopes.includes('*')).flat());
}

/** Clients in one read of `allClients`. */
const PAGE_SIZE = 500;

/** All clients with a prefix, page by page. Yields to the event loop between pages. */
export async function* allClients(
  state: Pick<State, 'clients'>,
  prefix?: string,
): AsyncGenerator<StoredRow<ClientRow>> {
  const yieldIfDue = makeYielder('background');
  let after: string | undefined;
  do {
    const page = await state.clients({ prefix, after, limit: PAGE_SIZE });
    yield* page.rows;
    after = page.last;
    await yieldIfDue();
  } while (after !== undefined);
}
