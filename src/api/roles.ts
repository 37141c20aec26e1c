import { createRole } from '../../commands/createRole.ts';
import { deleteRole } from '../../commands/deleteRole.ts';
import { updateRole } from '../../commands/updateRole.ts';
import type { RoleRow } from '../../projections/roles.ts';
import type { RoleSettings } from '../../schemas/events/roleEvents.ts';
import type { Command } from '../command.ts';
import { existingRole, type RolesState } from '../domain/role.ts';
import type { RoleGraph } from '../domain/roleGraph.ts';
import type { Event } from '../event.ts';
import { roleSubject } from '../subjects.ts';
import type { Endpoint, EndpointReply, EndpointRequest } from './endpoint.ts';
import { isPaged, keyIn, limitOf, piecesOf, tokenFor } from './page.ts';
import { contextOf, type Services } from './services.ts';

/** Roles that a list reads at a time. */
const AT_A_TIME = 100;

type Roles = RoleGraph<RoleRow>;

/** A role as replies show it. */
function shownRole(graph: Roles, { roleId, scopes, description, created, lastModified }: RoleRow): object {
  return { roleId, scopes, description, created, lastModified, expandedScopes: graph.expandRole(roleId) };
}

/** All ids in their order; one that comes or goes while they are taken is met or not, but none is met twice. */
function* allIds(graph: Roles): Generator<string> {
  let ids = graph.idsAfter(undefined, AT_A_TIME);
  while (ids.length > 0) {
    yield* ids;
    ids = graph.idsAfter(ids.at(-1), AT_A_TIME);
  }
}

/** All roles as replies show them, in the order of their roleIds. */
export function allRoles(graph: Roles): Generator<object> {
  return shownRoles(graph, allIds(graph));
}

/** One that is gone by the time it is its turn is left out. */
function* shownRoles(graph: Roles, ids: Iterable<string>): Generator<object> {
  for (const roleId of ids) {
    const role = graph.get(roleId);
    if (role) yield shownRole(graph, role);
  }
}

/** The endpoints about roles. */
export function roleEndpoints({ projector, handleCommand }: Services): Endpoint[] {
  const { roleGraph } = projector;
  const common = { category: 'Roles', stability: 'stable' } as const;
  const both = { ...common, dialects: ['older', 'current'] } as const;
  const current = { ...common, dialects: ['current'] } as const;

  const shown = (role: RoleRow): object => shownRole(roleGraph, role);

  async function change<I extends { roleId: string }>(
    request: EndpointRequest,
    { command, input }: { command: Command<I, RolesState, Event>; input: I },
  ): Promise<EndpointReply> {
    const subject = roleSubject(input.roleId, projector);
    const { row, position } = await handleCommand({ command, subject, input, context: contextOf(request) });
    return { ...(row && { body: shown(row) }), position };
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
      handle: () => ({ pieces: piecesOf(allRoles(roleGraph), { schema: 'get-role-response' }) }),
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
      handle({ query }) {
        if (!isPaged(query))
          return { pieces: piecesOf(allRoles(roleGraph), { schema: 'get-role-response', name: 'roles' }) };
        const { ids, ...token } = page(query);
        return {
          pieces: piecesOf(shownRoles(roleGraph, ids), {
            schema: 'get-role-response',
            name: 'roles',
            rest: token,
          }),
        };
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
      handle({ query }) {
        if (!isPaged(query)) return { pieces: piecesOf(allIds(roleGraph), { name: 'roleIds' }) };
        const { ids: roleIds, ...token } = page(query);
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
      handle: ({ params }) => ({ body: shown(existingRole(roleGraph, params['roleId']!)) }),
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
