import { type ClientEvent, clientEventSchemas } from './clientEvents.ts';
import { type CredentialsEvent, credentialsEventSchemas } from './credentialsEvents.ts';
import { type RoleEvent, roleEventSchemas } from './roleEvents.ts';

/** JSON schemas of the data of all events, by event type. */
export const eventSchemas: Record<(ClientEvent | RoleEvent | CredentialsEvent)['type'], object> = {
  ...clientEventSchemas,
  ...roleEventSchemas,
  ...credentialsEventSchemas,
};

/** The `$id` of an event's data schema: a URN, because it must be the same in every deployment. */
export function eventSchemaName(type: string): string {
  return `urn:authledger:event:${type}`;
}

/** The path at which an event's data schema is served. */
export function eventSchemaPath(type: string): string {
  return `/schemas/authledger/v1/events/${type}.json`;
}
