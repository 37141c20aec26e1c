import { createRole } from '../commands/createRole.ts';
import { disableClient } from '../commands/disableClient.ts';
import { enableClient } from '../commands/enableClient.ts';
import { importClient } from '../commands/importClient.ts';
import { updateClient } from '../commands/updateClient.ts';
import { updateRole } from '../commands/updateRole.ts';
import type { ClientRow } from '../projections/clients.ts';
import type { Command } from './command.ts';
import type { Service } from './compose.ts';
import { sameList } from './domain/sameList.ts';
import { compareScopes } from './domain/scopes.ts';
import type { Event } from './event.ts';
import type { ClientEntry, RoleEntry } from './importEntries.ts';
import { insideContext } from './insideContext.ts';
import { clientSubject, roleSubject } from './subjects.ts';

/** What the import makes of one entry. `run` is left out where everything is so already. */
export type Step = {
  what: string;
  action: 'create' | 'update' | 'unchanged';
  run?(): Promise<unknown>;
  note?: string;
};

/** The roles of an import, each after those that it depends on. */
export function* planRoles(service: Service, roles: readonly RoleEntry[]): Generator<Step> {
  for (const role of inDependencyOrder(service, roles)) yield planRole(service, role);
}

function planRole(
  { projector, handleCommand }: Service,
  { created, lastModified, source: _, ...role }: RoleEntry,
): Step {
  const what = `role ${role.roleId}`;
  const stored = projector.roleGraph.get(role.roleId);
  const common = { subject: roleSubject(role.roleId, projector), context: insideContext('import') };
  if (!stored) {
    const input = { ...role, imported: { created, lastModified } };
    return { what, action: 'create', run: () => handleCommand({ ...common, command: createRole, input }) };
  }
  const isSame = stored.description === role.description && sameSet(stored.scopes, role.scopes);
  if (isSame) return { what, action: 'unchanged' };
  return {
    what,
    action: 'update',
    run: () => handleCommand({ ...common, command: updateRole, input: role }),
  };
}

/** What the import makes of a client. The token of one that exists already is left as it is. */
export async function planClient(service: Service, entry: ClientEntry): Promise<Step> {
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
        await service.handleCommand({ command, input, subject, context: insideContext('import') });
      }
    },
  };
}

async function create(service: Service, entry: ClientEntry): Promise<void> {
  const { lastDateUsed, accessToken, created, lastModified, lastRotated, ...settings } = entry;
  const secret = service.makeSecret(entry.clientId, accessToken);
  const imported = { created, lastModified, lastRotated };
  await service.handleCommand({
    command: importClient,
    subject: clientSubject(entry.clientId, service),
    input: { ...settings, imported, credential: secret.credential },
    secret,
    context: insideContext('import'),
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
    sameSet(scopes, stored.scopes);
  const changes: Change[] = isSame ? [] : [{ command: updateClient, input }];
  if (disabled !== stored.disabled) changes.push({ command: disabled ? disableClient : enableClient, input });
  return changes;
}

async function tokenNote(
  service: Service,
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

function sameSet(one: readonly string[], other: readonly string[]): boolean {
  return sameList(one.toSorted(compareScopes), other.toSorted(compareScopes));
}

/** Depth first, on a stack of our own: chains of roles may be long. Cycles are entered anywhere. */
function inDependencyOrder({ projector }: Service, roles: readonly RoleEntry[]): RoleEntry[] {
  const graph = projector.roleGraph.clone();
  for (const role of roles) graph.set(role);
  const entries = new Map(roles.map((role) => [role.roleId, role]));
  const ordered = new Set<RoleEntry>();
  const visited = new Set<string>();
  for (const { roleId } of roles) {
    const stack = [{ roleId, done: false }];
    while (stack.length > 0) {
      const top = stack.pop()!;
      const entry = entries.get(top.roleId);
      if (!entry) continue;
      if (top.done) ordered.add(entry);
      else if (!visited.has(top.roleId)) {
        visited.add(top.roleId);
        stack.push({ roleId: top.roleId, done: true });
        for (const dependency of graph.dependenciesOf(entry)) stack.push({ roleId: dependency, done: false });
      }
    }
  }
  return [...ordered];
}
