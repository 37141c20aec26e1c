import { v7 as uuid } from 'uuid';
import { existsSync, readFileSync } from 'node:fs';
import { MAX_APPEND_BYTES } from '../schemas/constants.ts';
import { openStores } from '../src/compose.ts';
import type { ClientCreated, Credential } from '../schemas/events/clientEvents.ts';
import type { Event, NewEvent } from '../src/event.ts';
import { secretMaker } from '../src/secretStore/newSecret.ts';
import { bytesInAppend, encodeEvent } from '../src/eventStore/encodeEvent.ts';
import { clientStream, ROLES_STREAM } from '../src/eventStore/streams.ts';
import type { Signer } from './calls.ts';
import { folder } from './servers.ts';
import { yearOfChanges } from './yearOfChanges.ts';

/** `isYearLong`: the events after the first ones are a year of changes, for auditors; otherwise updates of clients. */
export type Size = { roles: number; clients: number; events: number; isYearLong?: boolean };
type Role = { roleId: string; scopes: string[] };

const FILE = folder('../../../shared/data/taskcluster-roles.json');
const EXPIRES = '2099-01-01T00:00:00.000Z';
export const SIGNERS = 350;
/** A client with `assume:*`, in logs of a year. */
export const ASSUMING_ALL = 'assuming/all';
const YEAR_BEGAN = Date.parse('2025-01-01T00:00:00.000Z');
const YEAR = 365 * 24 * 3600 * 1000;

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
export async function fill(
  dataDir: string,
  { roles, clients, events, isYearLong = false }: Size,
): Promise<Signer[]> {
  const stores = await openStores({ dataDir, secretKeys: undefined });
  const makeSecret = await secretMaker(stores.secretStore);
  const metadata = { actor: 'static/authledger/import', at: '2026-01-01T00:00:00.000Z', requestId: 'bench' };
  let added = 0;
  /** Of one append, all events have the same time: within it, they are stored stream by stream. */
  const timeNow = (): string =>
    isYearLong ? new Date(YEAR_BEGAN + (YEAR * added) / events).toJSON() : metadata.at;
  let at = timeNow();
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
    bytes = 0;
    at = timeNow();
  }
  async function add(stream: string, event: Event, actor = metadata.actor): Promise<void> {
    const own = { ...metadata, at, actor };
    const size = bytesInAppend(encodeEvent(event, own));
    if (bytes + size > MAX_APPEND_BYTES) await flush();
    bytes += size;
    added += 1;
    const others = waiting.get(stream);
    const waits = { ...event, id: uuid(), metadata: { ...own, at } };
    if (others) others.push(waits);
    else waiting.set(stream, [waits]);
  }
  const created: ClientCreated['data'][] = [];
  async function create(clientId: string, scopes: string[], credential: Credential): Promise<void> {
    const data = {
      clientId,
      description: 'made',
      expires: EXPIRES,
      deleteOnExpiration: false,
      scopes,
      credential,
    };
    if (isYearLong) created.push(data);
    await add(clientStream(clientId), { type: 'ClientCreated', data });
  }

  const made = Array.from({ length: Math.max(0, roles - realRoles.length) }, (_, i) => madeRole(i));
  const allRoles = [...realRoles, ...made].map((role) => ({ ...role, description: 'made' }));
  for (const { roleId, scopes, description } of allRoles)
    await add(ROLES_STREAM, { type: 'RoleCreated', data: { roleId, description, scopes } });
  const signers: Signer[] = [];
  for (let i = 0; i < SIGNERS; i += 1) {
    const clientId = `signer/${i}`;
    const { token, ref, credential } = makeSecret(clientId);
    await stores.secretStore.put(ref, token);
    const { role, lentName } = grantsOf(i);
    await create(clientId, [role, `auth:create-client:${lentName}`], credential);
    signers.push({ clientId, accessToken: token });
  }
  const others = clients - SIGNERS;
  const scopesOf = (i: number): string[] =>
    isYearLong ? [`project:p${i}:*`, `assume:made-project:${i % made.length}`] : [`project:p${i}:*`];
  if (isYearLong) await create(ASSUMING_ALL, ['assume:*'], makeSecret(ASSUMING_ALL, 'no-token').credential);
  for (let i = 0; i < others; i += 1) {
    const clientId = `made/${String(i).padStart(7, '0')}`;
    await create(clientId, scopesOf(i), makeSecret(clientId, 'no-token').credential);
  }
  const changes = events - added;
  if (isYearLong) {
    const beginning = { roles: allRoles, clients: created };
    for (const { stream, event, actor } of yearOfChanges(changes, beginning)) await add(stream, event, actor);
  }
  for (let i = 0; i < changes && !isYearLong; i += 1) {
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
