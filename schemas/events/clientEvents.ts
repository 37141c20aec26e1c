import type { Event } from '../../src/event.ts';
import { CLIENT_ID_PATTERN, MAX_DESCRIPTION_LENGTH, SCOPE_PATTERN } from '../constants.ts';

/** Refers to an access token without revealing it: the token is in the secret store under this id. */
export type Credential = { id: string; fingerprint: string };

/** The dates that an imported client had in the other deployment. */
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
/** Holds the complete new value of each setting. Omitted scopes are unchanged. */
export type ClientUpdated = Event<
  'ClientUpdated',
  Omit<ClientSettings, 'scopes'> & { clientId: string; scopes?: string[] }
>;
export type ClientEnabled = Event<'ClientEnabled', { clientId: string }>;
/** `imported` holds the date of the last change of a client that was already disabled in another deployment. */
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

/** An object schema with these properties and no others, all required except the optional ones. */
function dataSchema(properties: Record<string, object>, optional: string[] = []): object {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, required, additionalProperties: false };
}

/** JSON schemas of the data of the events in a client's stream, by event type. */
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
