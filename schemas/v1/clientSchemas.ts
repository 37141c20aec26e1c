import { ACCESS_TOKEN_PATTERN } from '../constants.ts';
import {
  clientId,
  continuationToken,
  date,
  description,
  flag,
  listOf,
  object,
  type Schema,
  scopes,
  scopesOrNone,
} from './schemaBuilders.ts';

const client = {
  clientId,
  expires: date,
  description,
  created: date,
  lastModified: date,
  lastDateUsed: date,
  lastRotated: date,
  scopes: scopesOrNone,
  expandedScopes: scopes,
  disabled: flag,
  deleteOnExpiration: flag,
};

/** The bodies of the methods about clients. */
export const clientSchemas: Record<string, Schema> = {
  'create-client-request': {
    title: 'Settings of a client',
    ...object({ expires: date, description, deleteOnExpiration: { ...flag, default: false }, scopes }, [
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
    ...object({ clients: listOf('get-client-response'), continuationToken }, ['continuationToken']),
  },
  'older-list-clients-response': { title: 'All clients', ...listOf('get-client-response') },
};
