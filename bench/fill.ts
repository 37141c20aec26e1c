import { v7 as uuid } from 'uuid';
import { existsSync, readFileSync } from 'node:fs';
import { MAX_APPEND_BYTES } from '../schemas/constants.ts';
import { openStores } from '../src/compose.ts';
import type { Event, NewEvent } from '../src/event.ts';
import { secretMaker } from '../src/secretStore/newSecret.ts';
import { bytesInAppend, encodeEvent } from '../src/eventStore/encodeEvent.ts';
import { clientStream, ROLES_STREAM } from '../src/eventStore/streams.ts';
import type { Signer } from './calls.ts';
import { folder } from './servers.ts';

export type Size = { roles: number; clients: number; events: number };
type Role = { roleId: string; scopes: string[] };

const FILE = folder('../../../shared/data/taskcluster-roles.json');
const EXPIRES = '2099-01-01T00:00:00.000Z';
export const SIGNERS = 350;

/** The 486 roles of a real deployment; where they are not at hand, as many made ones. */
export const realRoles: Role[] = existsSync(FILE)
  ? (JSON.parse(readFileSync(FILE, 'utf8')) as Role[]).map(({ roleId, scopes }) => ({ roleId, scopes }))
  : Array.from({ length: 486 }, (_, i) => madeRole(i));

/** A role as projects have them: some scopes of its own, and another role. */
function madeRole(i: number): Role {
  const own = Array.from({ length: 8 }, (_, at) => `project:p${i}:resource-${at}:*`);
  const other = i % 10 === 0 ? [] : [`assume:made-project:${i - 1}`];
  return { roleId: `made-project:${i}`, scopes: [...own, ...other, 'queue:get-artifact:public/*'] };
}

/** Those that are not granted all others too: what they expand to is the same beside any number of made roles. */
const limitedRoles = realRoles.filter(({ scopes }) => !scopes.includes('assume:*'));

/** Each signer has one real role, and may lend it under one name. */
export function grantsOf(i: number): { role: string; lentName: string } {
  return { role: `assume:${limitedRoles[i % limitedRoles.length]!.roleId}`, lentName: `temporary/${i}` };
}

/**
 * Writes a log of so many roles, clients and events, straight through the stores: clients `signer/<n>` have tokens and
 * real roles, `made/<n>` have neither. Answers the signers.
 */
export async function fill(dataDir: string, { roles, clients, events }: Size): Promise<Signer[]> {
  const stores = await openStores({ dataDir, secretKeys: undefined });
  const makeSecret = await secretMaker(stores.secretStore);
  const metadata = { actor: 'static/authledger/import', at: '2026-01-01T00:00:00.000Z', requestId: 'bench' };
  const waiting = new Map<string, NewEvent[]>();
  let bytes = 0;
  async function flush(): Promise<void> {
    const writes = [...waiting].map(([stream, of]) => ({
      stream,
      expectedRevision: 'any' as const,
      events: of,
    }));
    if (writes.length > 0) await stores.eventStore.append(writes, metadata);
    waiting.clear();
  }
  async function add(stream: string, event: Event): Promise<void> {
    const size = bytesInAppend(encodeEvent(event, metadata));
    if (bytes + size > MAX_APPEND_BYTES) {
      bytes = 0;
      await flush();
    }
    bytes += size;
    const others = waiting.get(stream) ?? [];
    waiting.set(stream, [...others, { ...event, id: uuid() }]);
  }
  const created = (clientId: string, scopes: string[], credential: object): Event => ({
    type: 'ClientCreated',
    data: { clientId, description: 'made', expires: EXPIRES, deleteOnExpiration: false, scopes, credential },
  });

  const made = Array.from({ length: Math.max(0, roles - realRoles.length) }, (_, i) => madeRole(i));
  for (const { roleId, scopes } of [...realRoles, ...made])
    await add(ROLES_STREAM, { type: 'RoleCreated', data: { roleId, description: 'made', scopes } });
  const signers: Signer[] = [];
  for (let i = 0; i < SIGNERS; i += 1) {
    const clientId = `signer/${i}`;
    const { token, ref, credential } = makeSecret(clientId);
    await stores.secretStore.put(ref, token);
    const { role, lentName } = grantsOf(i);
    const scopes = [role, `auth:create-client:${lentName}`];
    await add(clientStream(clientId), created(clientId, scopes, credential));
    signers.push({ clientId, accessToken: token });
  }
  const others = clients - SIGNERS;
  for (let i = 0; i < others; i += 1) {
    const clientId = `made/${String(i).padStart(7, '0')}`;
    const { credential } = makeSecret(clientId, 'no-token');
    await add(clientStream(clientId), created(clientId, [`project:p${i}:*`], credential));
  }
  for (let i = 0; i < events - roles - clients; i += 1) {
    const clientId = `made/${String((i * 7919) % others).padStart(7, '0')}`;
    const data = {
      clientId,
      description: `changed ${i}`,
      expires: EXPIRES,
      deleteOnExpiration: false,
      scopes: [`project:p${i}:*`],
    };
    await add(clientStream(clientId), { type: 'ClientUpdated', data });
  }
  await flush();
  await stores.close();
  return signers;
}
