import { disableClient } from '../../commands/disableClient.ts';
import { enableClient } from '../../commands/enableClient.ts';
import { importClient } from '../../commands/importClient.ts';
import { importRole } from '../../commands/importRole.ts';
import { updateClient } from '../../commands/updateClient.ts';
import type { ClientRow } from '../../projections/clients.ts';
import type { Command } from '../command.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import type { LastUsed } from '../readSide/lastUsed.ts';
import type { Projector } from '../readSide/projector.ts';
import type { MakeSecret } from '../secretStore/newSecret.ts';
import type { SecretStore } from '../secretStore/secretStore.ts';
import type { HandleCommand } from '../writeSide/handleCommand.ts';
import { sameScopes } from '../domain/scopes.ts';
import type { Event } from '../event.ts';
import type { ClientEntry, RoleEntry } from './importEntries.ts';
import { importInput } from './importOrder.ts';
import { systemContext } from '../writeSide/systemContext.ts';
import { clientSubject, roleSubject } from '../writeSide/subjects.ts';

/** The parts of the service that the import uses. */
export type ImportParts = {
  eventStore: EventStore;
  projector: Pick<Projector, 'clients' | 'roleGraph' | 'rolesRevision' | 'catchUp'>;
  handleCommand: HandleCommand;
  makeSecret: MakeSecret;
  secretStore: Pick<SecretStore, 'get'>;
  lastUsed: Pick<LastUsed, 'import'>;
};

/** The plan for one entry. `run` is missing if nothing has to change. */
export type Step = {
  what: string;
  action: 'create' | 'update' | 'unchanged';
  run?(): Promise<unknown>;
  note?: string;
};

/** The plan for a role. */
export function planRole(
  { projector, handleCommand }: Pick<ImportParts, 'projector' | 'handleCommand'>,
  entry: RoleEntry,
): Step {
  const what = `role ${entry.roleId}`;
  const stored = projector.roleGraph.get(entry.roleId);
  const isSame = stored?.description === entry.description && sameScopes(stored.scopes, entry.scopes);
  if (isSame) return { what, action: 'unchanged' };
  const run = {
    command: importRole,
    subject: roleSubject(entry.roleId, projector),
    input: importInput(entry),
    context: systemContext('import'),
  };
  return { what, action: stored ? 'update' : 'create', run: () => handleCommand(run) };
}

/** The plan for a client. The token of an existing client is not changed. */
export async function planClient(service: ImportParts, entry: ClientEntry): Promise<Step> {
  const what = `client ${entry.clientId}`;
  const stored = await service.projector.clients.get(entry.clientId);
  if (!stored) return { what, action: 'create', run: () => create(service, entry) };
  const changes = changesOf(entry, stored);
  const note = await tokenNote(service, entry, stored);
  if (changes.length === 0) return { what, action: 'unchanged', note };
  return {
    what,
    action: 'update',
    note,
    async run() {
      for (const { command, input } of changes) {
        const subject = clientSubject(entry.clientId, service);
        await service.handleCommand({ command, input, subject, context: systemContext('import') });
      }
    },
  };
}

async function create(service: ImportParts, entry: ClientEntry): Promise<void> {
  const { lastDateUsed, accessToken, created, lastModified, lastRotated, ...settings } = entry;
  const secret = service.makeSecret(entry.clientId, accessToken);
  const imported = { created, lastModified, lastRotated };
  await service.handleCommand({
    command: importClient,
    subject: clientSubject(entry.clientId, service),
    input: { ...settings, imported, credential: secret.credential },
    secret,
    context: systemContext('import'),
  });
  if (lastDateUsed !== undefined) service.lastUsed.import(entry.clientId, lastDateUsed);
}

type Change = { command: Command<ClientRowInput, ClientRow | undefined, Event>; input: ClientRowInput };
type ClientRowInput = Pick<
  ClientRow,
  'clientId' | 'description' | 'expires' | 'deleteOnExpiration' | 'scopes'
>;

function changesOf(
  { clientId, description, expires, deleteOnExpiration, scopes, disabled }: ClientEntry,
  stored: ClientRow,
): Change[] {
  const input = { clientId, description, expires, deleteOnExpiration, scopes };
  const isSame =
    description === stored.description &&
    expires === stored.expires &&
    deleteOnExpiration === stored.deleteOnExpiration &&
    sameScopes(scopes, stored.scopes);
  const changes: Change[] = isSame ? [] : [{ command: updateClient, input }];
  if (disabled !== stored.disabled) changes.push({ command: disabled ? disableClient : enableClient, input });
  return changes;
}

async function tokenNote(
  service: ImportParts,
  entry: ClientEntry,
  stored: ClientRow,
): Promise<string | undefined> {
  if (entry.accessToken === undefined) return undefined;
  const token = await service.secretStore.get({
    clientId: entry.clientId,
    credentialId: stored.credential.id,
  });
  return token === entry.accessToken ? undefined : 'has another accessToken by now, which is left as it is';
}
