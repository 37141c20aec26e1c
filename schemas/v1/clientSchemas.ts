import { ACCESS_TOKEN_PATTERN } from '../constants.ts';
import {
  clientId,
  continuationToken,
  date,
  description,
  boolean,
  arrayOf,
  object,
  type Schema,
  scopes,
  optionalScopes,
} from './schemaBuilders.ts';

const client = {
  clientId,
  expires: date,
  description,
  created: date,
  lastModified: date,
  lastDateUsed: date,
  lastRotated: date,
  scopes: optionalScopes,
  expandedScopes: scopes,
  disabled: boolean,
  deleteOnExpiration: boolean,
};

/** The bodies of the methods about clients. */
export const clientSchemas: Record<string, Schema> = {
  'create-client-request': {
    title: 'Settings of a client',
    ...object({ expires: date, description, deleteOnExpiration: { ...boolean, default: false }, scopes }, [
      'deleteOnExpiration',
      'scopes',
    ]),
  },
  'create-client-response': {
    title: 'A client with its new access token, which is shown this once',
    ...object({ ...client, accessToken: { type: 'string', pattern: ACCESS_TOKEN_PATTERN } }),
  },
  'get-client-response': { title: 'A client', ...object(client) },
  'list-clients-response': {
    title: 'A page of clients',
    ...object({ clients: arrayOf('get-client-response'), continuationToken }, ['continuationToken']),
  },
  'older-list-clients-response': { title: 'All clients', ...arrayOf('get-client-response') },
};
