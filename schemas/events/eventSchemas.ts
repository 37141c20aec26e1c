import { type ClientEvent, clientEventSchemas } from './clientEvents.ts';
import { type CredentialsEvent, credentialsEventSchemas } from './credentialsEvents.ts';
import { type RoleEvent, roleEventSchemas } from './roleEvents.ts';

/** The data of every event there is, as JSON schemas by event type. */
export const eventSchemas: Record<(ClientEvent | RoleEvent | CredentialsEvent)['type'], object> = {
  ...clientEventSchemas,
  ...roleEventSchemas,
  ...credentialsEventSchemas,
};

/** What the schema of an event's data calls itself: a name that is the same at every address of every deployment. */
export function eventSchemaName(type: string): string {
  return `urn:authledger:event:${type}`;
}

/** Where the schema of an event's data is served. */
export function eventSchemaPath(type: string): string {
  return `/schemas/authledger/v1/events/${type}.json`;
}
