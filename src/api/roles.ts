import { createRole } from '../../commands/createRole.ts';
import { deleteRole } from '../../commands/deleteRole.ts';
import { updateRole } from '../../commands/updateRole.ts';
import type { RoleRow } from '../../projections/roles.ts';
import type { RoleSettings } from '../../schemas/events/roleEvents.ts';
import type { Command } from '../command.ts';
import { existingRole, type RolesState } from '../domain/role.ts';
import type { RoleGraph } from '../domain/roleGraph.ts';
import { grantingScope } from '../domain/roleReach.ts';
import type { Sliced, Work } from '../domain/work.ts';
import type { Event } from '../event.ts';
import { roleSubject } from '../writeSide/subjects.ts';
import type { Endpoint, EndpointReply, EndpointRequest } from '../http/endpoint.ts';
import { entryReply, type ExpandedEntry, expandedOr, type Incomplete } from '../http/expandedEntry.ts';
import { isPaged, keyIn, limitOf, type Listing, piecesOf, tokenFor } from '../http/page.ts';
import { type Services } from './services.ts';
import { contextOf } from '../http/commandContext.ts';
import { workFor } from '../http/workFor.ts';

/** Roles that a list reads at a time. */
const AT_A_TIME = 100;

type Roles = RoleGraph<RoleRow>;

type Shown = Omit<RoleRow, 'imported'> & ExpandedEntry;

/** A role as replies show it, in slices. Throws ExpansionTooLarge unless such roles are noted as incomplete. */
export function* shownRole(
  graph: Roles,
  { role, incomplete }: { role: RoleRow; incomplete?: Incomplete },
  work: Work,
): Sliced<Shown> {
  const { roleId, scopes, description, created, lastModified } = role;
  const expand = (counted: Work) => graph.expanding([grantingScope(roleId)], counted);
  const expandedScopes = incomplete
    ? yield* expandedOr({ name: roleId, scopes, incomplete }, expand, work)
    : yield* expand(work);
  return { roleId, scopes, description, created, lastModified, expandedScopes };
}

/** All ids in their order; one that comes or goes while they are taken is met or not, but none is met twice. */
function* allIds(graph: Roles): Generator<string> {
  let ids = graph.idsAfter(undefined, AT_A_TIME);
  while (ids.length > 0) {
    yield* ids;
    ids = graph.idsAfter(ids.at(-1), AT_A_TIME);
  }
}

/** All roles as replies show them, or those of some ids, in the order of their roleIds, as a list in pieces. */
export function rolesInPieces(
  graph: Roles,
  {
    ids = allIds(graph),
    incomplete = new Set<string>(),
    ...listing
  }: Omit<Listing<string>, 'show'> & { ids?: Iterable<string>; incomplete?: Incomplete },
): AsyncGenerator<string> {
  return piecesOf(ids, {
    ...listing,
    *show(roleId, work) {
      const role = graph.get(roleId);
      // One that is gone by the time it is its turn is left out.
      return role && (yield* shownRole(graph, { role, incomplete }, work));
    },
  });
}

/** The endpoints about roles. */
export function roleEndpoints({ projector, handleCommand, longWork }: Services): Endpoint[] {
  const { roleGraph } = projector;
  const common = { category: 'Roles', stability: 'stable' } as const;
  const both = { ...common, dialects: ['older', 'current'] } as const;
  const current = { ...common, dialects: ['current'] } as const;

  async function shown(
    role: RoleRow,
    request: EndpointRequest,
    incomplete?: Incomplete,
  ): Promise<EndpointReply> {
    const whom = workFor(request);
    const entry = await longWork.run(whom, (work) => shownRole(roleGraph, { role, incomplete }, work));
    return { ...entryReply(entry, longWork, whom), incomplete };
  }

  /** Which roles are too much to expand is known before the list begins. */
  async function list(
    request: EndpointRequest,
    { ids, ...listing }: { ids?: readonly string[]; name?: string; rest?: Record<string, string> } = {},
  ): Promise<EndpointReply> {
    const whom = workFor(request);
    const incomplete = await longWork.queue(whom, (work) => incompleteAmong(roleGraph, ids, work));
    const pieces = rolesInPieces(roleGraph, {
      ...listing,
      ids,
      incomplete,
      schema: 'get-role-response',
      longWork,
      whom,
    });
    return { pieces, incomplete };
  }

  async function change<I extends { roleId: string }>(
    request: EndpointRequest,
    { command, input }: { command: Command<I, RolesState, Event>; input: I },
  ): Promise<EndpointReply> {
    const subject = roleSubject(input.roleId, projector);
    const { row, position } = await handleCommand({ command, subject, input, context: contextOf(request) });
    return { ...(row && (await shown(row, request, new Set()))), position };
  }

  function page(query: Record<string, string>): { ids: string[]; continuationToken?: string } {
    const limit = limitOf(query);
    const ids = roleGraph.idsAfter(keyIn(query['continuationToken']), limit);
    const token = ids.length < limit ? undefined : tokenFor(ids.at(-1));
    return { ids, ...(token !== undefined && { continuationToken: token }) };
  }

  return [
    {
      ...both,
      name: 'listRoles',
      method: 'get',
      route: '/roles/',
      scopes: 'auth:list-roles',
      reads: true,
      output: 'list-roles-response',
      title: 'List Roles',
      description: 'All roles in the order of their roleIds, each with all scopes that it expands to.',
      handle: (request) => list(request),
    },
    {
      ...current,
      name: 'listRoles2',
      method: 'get',
      route: '/roles2/',
      query: ['continuationToken', 'limit'],
      scopes: 'auth:list-roles',
      reads: true,
      output: 'list-roles2-response',
      title: 'List Roles, with pages',
      description:
        'Roles in the order of their roleIds, each with all scopes that it expands to: all of them, or at most `limit`. ' +
        'Go on with the `continuationToken` until there is none.',
      handle(request) {
        if (!isPaged(request.query)) return list(request, { name: 'roles' });
        const { ids, ...rest } = page(request.query);
        return list(request, { ids, name: 'roles', rest });
      },
    },
    {
      ...current,
      name: 'listRoleIds',
      method: 'get',
      route: '/roleids/',
      query: ['continuationToken', 'limit'],
      scopes: 'auth:list-roles',
      reads: true,
      output: 'list-role-ids-response',
      title: 'List Role IDs',
      description:
        'The roleIds in their order: all of them, or at most `limit`. Go on with the `continuationToken` until there is none.',
      handle(request) {
        const whom = workFor(request);
        if (!isPaged(request.query))
          return { pieces: piecesOf(allIds(roleGraph), { show: asItIs, name: 'roleIds', longWork, whom }) };
        const { ids: roleIds, ...token } = page(request.query);
        return { body: { roleIds, ...token } };
      },
    },
    {
      ...both,
      name: 'role',
      method: 'get',
      route: '/roles/<roleId>',
      scopes: 'auth:get-role:<roleId>',
      reads: true,
      output: 'get-role-response',
      title: 'Get Role',
      description: 'One role, with the scopes it has and all that it expands to.',
      handle: (request) => shown(existingRole(roleGraph, request.params['roleId']!), request),
    },
    {
      ...both,
      name: 'createRole',
      method: 'put',
      route: '/roles/<roleId>',
      scopes: { AllOf: ['auth:create-role:<roleId>', { for: 'scope', in: 'scopes', each: '<scope>' }] },
      authorization: 'command',
      input: 'create-role-request',
      output: 'get-role-response',
      title: 'Create Role',
      description:
        'Creates a role. The caller needs all scopes of the role. Creating an identical role succeeds again, a different ' +
        'one of the same roleId is a conflict, and roles that would depend on each other in a cycle are refused.',
      handle(request) {
        const input = { roleId: request.params['roleId']!, ...(request.body as RoleSettings) };
        return change(request, { command: createRole, input });
      },
    },
    {
      ...both,
      name: 'updateRole',
      method: 'post',
      route: '/roles/<roleId>',
      scopes: { AllOf: ['auth:update-role:<roleId>', { for: 'scope', in: 'scopesAdded', each: '<scope>' }] },
      authorization: 'command',
      input: 'create-role-request',
      output: 'get-role-response',
      title: 'Update Role',
      description:
        'Gives a role a new description and new scopes. The caller needs the scopes that the role did not expand to before. ' +
        'Roles that would depend on each other in a cycle are refused.',
      handle(request) {
        const input = { roleId: request.params['roleId']!, ...(request.body as RoleSettings) };
        return change(request, { command: updateRole, input });
      },
    },
    {
      ...both,
      name: 'deleteRole',
      method: 'delete',
      route: '/roles/<roleId>',
      scopes: 'auth:delete-role:<roleId>',
      authorization: 'command',
      revokes: true,
      title: 'Delete Role',
      description: 'Removes a role; succeeds also where there is none.',
      async handle(request) {
        const { position } = await change(request, {
          command: deleteRole,
          input: { roleId: request.params['roleId']! },
        });
        return { position };
      },
    },
  ];
}

function* asItIs(roleId: string): Sliced<string> {
  return roleId;
}

/** Of the roles of these ids, or all, those that are too much to expand, in slices. */
function* incompleteAmong(
  graph: Roles,
  ids: Iterable<string> = allIds(graph),
  work: Work,
): Sliced<Incomplete> {
  const incomplete: Incomplete = new Set();
  for (const roleId of ids) {
    const role = graph.get(roleId);
    if (role) yield* shownRole(graph, { role, incomplete }, work);
  }
  return incomplete;
}
