import type { ClientEvent, ClientSettings, Credential } from '../schemas/events/clientEvents.ts';
import type { Projection } from '../src/projection.ts';

/**
 * The current state of a client. `revision` is that of the last event of its stream that changed it, `creationRevision`
 * that of its creation. Imported clients have no `creationRevision`, because they were created in another deployment.
 */
export type ClientRow = ClientSettings & {
  clientId: string;
  disabled: boolean;
  created: string;
  lastModified: string;
  lastRotated: string;
  credential: Credential;
  revision: number;
  creationRevision?: number;
};

/** All clients, by clientId. The same handlers fold a client's stream into the state that commands decide on. */
export const clients: Projection<ClientRow, ClientEvent> = {
  name: 'clients',
  version: 2,
  keys: (event) => [event.data.clientId],
  on: {
    ClientCreated: (_, { data, metadata: { at }, revision }) => ({
      clientId: data.clientId,
      description: data.description,
      expires: data.expires,
      deleteOnExpiration: data.deleteOnExpiration,
      scopes: data.scopes,
      credential: data.credential,
      disabled: false,
      created: data.imported?.created ?? at,
      lastModified: data.imported?.lastModified ?? at,
      lastRotated: data.imported?.lastRotated ?? at,
      revision,
      ...(!data.imported && { creationRevision: revision }),
    }),
    ClientUpdated: (row, { data, metadata: { at }, revision }) =>
      row && {
        ...row,
        description: data.description,
        expires: data.expires,
        deleteOnExpiration: data.deleteOnExpiration,
        scopes: data.scopes ?? row.scopes,
        lastModified: at,
        revision,
      },
    ClientEnabled: (row, { metadata: { at }, revision }) =>
      row && { ...row, disabled: false, lastModified: at, revision },
    ClientDisabled: (row, { data: { imported }, metadata: { at }, revision }) =>
      row && { ...row, disabled: true, lastModified: imported?.lastModified ?? at, revision },
    AccessTokenReset: (row, { data: { credential }, metadata: { at }, revision }) =>
      row && { ...row, credential, lastModified: at, lastRotated: at, revision },
    ClientDeleted: () => undefined,
    ClientExpired: () => undefined,
  },
};
