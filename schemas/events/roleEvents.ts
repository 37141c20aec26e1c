import type { Event } from '../../src/event.ts';
import { MAX_DESCRIPTION_LENGTH, ROLE_ID_PATTERN, SCOPE_PATTERN } from '../constants.ts';

export type RoleSettings = { description: string; scopes: string[] };

export type RoleCreated = Event<
  'RoleCreated',
  RoleSettings & { roleId: string; imported?: { created: string; lastModified: string } }
>;
export type RoleUpdated = Event<'RoleUpdated', RoleSettings & { roleId: string }>;
export type RoleDeleted = Event<'RoleDeleted', { roleId: string }>;

export type RoleEvent = RoleCreated | RoleUpdated | RoleDeleted;

const roleId = { type: 'string', pattern: ROLE_ID_PATTERN };
const dateTime = { type: 'string', format: 'date-time' };
const settings = {
  description: { type: 'string', maxLength: MAX_DESCRIPTION_LENGTH },
  scopes: { type: 'array', items: { type: 'string', pattern: SCOPE_PATTERN } },
};
const imported = {
  type: 'object',
  properties: { created: dateTime, lastModified: dateTime },
  required: ['created', 'lastModified'],
  additionalProperties: false,
};

/** JSON schemas of the data of the events in the stream `roles`, by event type. */
export const roleEventSchemas: Record<RoleEvent['type'], object> = {
  RoleCreated: {
    type: 'object',
    properties: { roleId, ...settings, imported },
    required: ['roleId', 'description', 'scopes'],
    additionalProperties: false,
  },
  RoleUpdated: {
    type: 'object',
    properties: { roleId, ...settings },
    required: ['roleId', 'description', 'scopes'],
    additionalProperties: false,
  },
  RoleDeleted: { type: 'object', properties: { roleId }, required: ['roleId'], additionalProperties: false },
};
