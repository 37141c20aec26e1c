import { ROLE_ID_PATTERN } from '../constants.ts';
import {
  continuationToken,
  date,
  description,
  arrayOf,
  object,
  type Schema,
  scopes,
  text,
} from './schemaBuilders.ts';

/** The bodies of the methods about roles. */
export const roleSchemas: Record<string, Schema> = {
  'create-role-request': { title: 'Settings of a role', ...object({ scopes, description }) },
  'get-role-response': {
    title: 'A role',
    ...object({
      roleId: { type: 'string', pattern: ROLE_ID_PATTERN },
      scopes: { ...scopes, uniqueItems: false },
      description,
      created: date,
      lastModified: date,
      expandedScopes: scopes,
    }),
  },
  'list-roles-response': { title: 'All roles', ...arrayOf('get-role-response') },
  'list-roles2-response': {
    title: 'Roles, all of them or a page',
    ...object({ roles: arrayOf('get-role-response'), continuationToken }, ['continuationToken']),
  },
  'list-role-ids-response': {
    title: 'RoleIds, all of them or a page',
    ...object({ roleIds: { type: 'array', uniqueItems: true, items: text }, continuationToken }, [
      'continuationToken',
    ]),
  },
};
