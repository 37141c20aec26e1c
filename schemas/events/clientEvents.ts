import type { Event } from '../../src/event.ts';
import { CLIENT_ID_PATTERN, MAX_DESCRIPTION_LENGTH, SCOPE_PATTERN } from '../constants.ts';

/** Names an access token without telling it: the token itself lives in the secret store, under this id. */
export type Credential = { id: string; fingerprint: string };

/** Dates of an imported entity's former life, kept as facts. */
export type ImportedClient = { created: string; lastModified: string; lastRotated: string };

export type ClientSettings = {
  description: string;
  expires: string;
  deleteOnExpiration: boolean;
  scopes: string[];
};

export type ClientCreated = Event<
  'ClientCreated',
  ClientSettings & { clientId: string; credential: Credential; imported?: ImportedClient }
>;
/** Sets the whole new value of what it names; scopes that are left out stay. */
export type ClientUpdated = Event<
  'ClientUpdated',
  Omit<ClientSettings, 'scopes'> & { clientId: string; scopes?: string[] }
>;
export type ClientEnabled = Event<'ClientEnabled', { clientId: string }>;
/** `imported` keeps the date of a client's last change in another deployment, where it was disabled already. */
export type ClientDisabled = Event<
  'ClientDisabled',
  { clientId: string; imported?: Pick<ImportedClient, 'lastModified'> }
>;
export type AccessTokenReset = Event<'AccessTokenReset', { clientId: string; credential: Credential }>;
export type ClientDeleted = Event<'ClientDeleted', { clientId: string }>;
export type ClientExpired = Event<'ClientExpired', { clientId: string; expires: string }>;

export type ClientEvent =
  | ClientCreated
  | ClientUpdated
  | ClientEnabled
  | ClientDisabled
  | AccessTokenReset
  | ClientDeleted
  | ClientExpired;

const clientId = { type: 'string', pattern: CLIENT_ID_PATTERN };
const dateTime = { type: 'string', format: 'date-time' };
const settings = {
  description: { type: 'string', maxLength: MAX_DESCRIPTION_LENGTH },
  expires: dateTime,
  deleteOnExpiration: { type: 'boolean' },
  scopes: { type: 'array', items: { type: 'string', pattern: SCOPE_PATTERN } },
};
const credential = {
  type: 'object',
  properties: {
    id: { type: 'string', format: 'uuid' },
    fingerprint: { type: 'string', pattern: '^[0-9a-f]{16,64}$' },
  },
  required: ['id', 'fingerprint'],
  additionalProperties: false,
};

/** An object schema with these properties, all of them required but the optional ones, and no others. */
function dataSchema(properties: Record<string, object>, optional: string[] = []): object {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, required, additionalProperties: false };
}

/** The data of each event in a client's stream, as JSON schemas by event type. */
export const clientEventSchemas: Record<ClientEvent['type'], object> = {
  ClientCreated: dataSchema(
    {
      clientId,
      ...settings,
      credential,
      imported: dataSchema({ created: dateTime, lastModified: dateTime, lastRotated: dateTime }),
    },
    ['imported'],
  ),
  ClientUpdated: dataSchema({ clientId, ...settings }, ['scopes']),
  ClientEnabled: dataSchema({ clientId }),
  ClientDisabled: dataSchema({ clientId, imported: dataSchema({ lastModified: dateTime }) }, ['imported']),
  AccessTokenReset: dataSchema({ clientId, credential }),
  ClientDeleted: dataSchema({ clientId }),
  ClientExpired: dataSchema({ clientId, expires: dateTime }),
};
