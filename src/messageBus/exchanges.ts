import type { ClientEvent } from '../../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../../schemas/events/roleEvents.ts';

/** Events that change who may do what. */
export type AuthEvent = ClientEvent | RoleEvent;

/** The prefix of all exchange names. */
export const EXCHANGE_PREFIX = 'exchange/taskcluster-auth/v1/';

/** A kind of change message, in the form that Taskcluster's subscribers know. */
export type Exchange = {
  exchange: string;
  name: string;
  title: string;
  description: string;
  /** The name of a schema in schemas/v1. */
  schema: 'client-message' | 'role-message';
  /** The types of events that it announces. */
  types: readonly AuthEvent['type'][];
};

const ofClient = { schema: 'client-message' } as const;
const ofRole = { schema: 'role-message' } as const;

/** All kinds of change message. Every event of a client or role is announced by exactly one. */
export const exchanges: readonly Exchange[] = [
  {
    ...ofClient,
    exchange: 'client-created',
    name: 'clientCreated',
    title: 'Client Created Messages',
    description: 'A client was created.',
    types: ['ClientCreated'],
  },
  {
    ...ofClient,
    exchange: 'client-updated',
    name: 'clientUpdated',
    title: 'Client Updated Messages',
    description: 'A client was changed, enabled or disabled, or its access token was reset.',
    types: ['ClientUpdated', 'ClientEnabled', 'ClientDisabled', 'AccessTokenReset'],
  },
  {
    ...ofClient,
    exchange: 'client-deleted',
    name: 'clientDeleted',
    title: 'Client Deleted Messages',
    description: 'A client was deleted, or purged as it had expired.',
    types: ['ClientDeleted', 'ClientExpired'],
  },
  {
    ...ofRole,
    exchange: 'role-created',
    name: 'roleCreated',
    title: 'Role Created Messages',
    description: 'A role was created.',
    types: ['RoleCreated'],
  },
  {
    ...ofRole,
    exchange: 'role-updated',
    name: 'roleUpdated',
    title: 'Role Updated Messages',
    description: 'A role was changed.',
    types: ['RoleUpdated'],
  },
  {
    ...ofRole,
    exchange: 'role-deleted',
    name: 'roleDeleted',
    title: 'Role Deleted Messages',
    description: 'A role was deleted.',
    types: ['RoleDeleted'],
  },
];

const exchangeByType = new Map<string, string>(
  exchanges.flatMap(({ exchange, types }) => types.map((type) => [type, EXCHANGE_PREFIX + exchange])),
);

/** The exchange (with prefix) that announces events of a type; undefined if no change message does. */
export function exchangeOf(type: string): string | undefined {
  return exchangeByType.get(type);
}
