import { randomUUID } from 'node:crypto';
import { afterEach, expect, test } from '@jest/globals';
import type { NewEvent } from '../../src/event.ts';
import type { EventStore } from '../../src/eventStore/eventStore.ts';
import { clientStream, ROLES_STREAM } from '../../src/eventStore/streams.ts';
import { metadata } from '../contracts/eventStore.ts';
import { inStores } from '../inStores.ts';
import { signedFetch } from '../signed.ts';
import { type Attacked, startAttacked } from './secondCaller.ts';

let attacked: Attacked;
afterEach(() => attacked.stop());

const MiB = 1024 * 1024;
const EVENTS = 5000;
const CHAIN = 100;
const MOMENTS = 12;
const settings = { expires: '2090-01-01T00:00:00Z', deleteOnExpiration: false, scopes: ['assume:r0'] };
const credential = { id: randomUUID(), fingerprint: '0123456789abcdef' };

/** Appends events to a stream; returns their positions. */
async function append(
  eventStore: EventStore,
  stream: string,
  events: Pick<NewEvent, 'type' | 'data'>[],
): Promise<string[]> {
  const positions: string[] = [];
  for (let from = 0; from < events.length; from += 100) {
    const some = events.slice(from, from + 100).map((each) => ({ ...each, id: randomUUID() }));
    await eventStore.append([{ stream, expectedRevision: 'any', events: some }], metadata);
  }
  for (let fromRevision = 0, isOver = false; !isOver;) {
    const page = await eventStore.read(stream, { fromRevision });
    positions.push(...page.events.map(({ position }) => position));
    fromRevision += page.events.length;
    isOver = fromRevision > Number(page.revision);
  }
  return positions;
}

/** A chain of roles, each of which changes again and again, and a client that did so thousands of times. */
const writeHistory = (dataDir: string): Promise<{ roles: string[]; client: string[] }> =>
  inStores({ DATA_DIR: dataDir }, async ({ eventStore }) => {
    const scopesOf = (i: number): string[] => [
      `assume:r${i + 1}`,
      ...Array.from({ length: 100 }, (_, j) => `${i}:${j}:${'x'.repeat(100)}`),
    ];
    const created = Array.from({ length: CHAIN }, (_, i) => ({
      type: 'RoleCreated',
      data: { roleId: `r${i}`, description: '', scopes: scopesOf(i) },
    }));
    const updated = created.map(({ data }) => ({
      type: 'RoleUpdated',
      data: { ...data, description: 'later' },
    }));
    const roles: string[] = [];
    for (const some of [created, updated])
      for (let from = 0; from < CHAIN; from += 50)
        roles.splice(0, Infinity, ...(await append(eventStore, ROLES_STREAM, some.slice(from, from + 50))));
    const data = { clientId: 'busy', description: '', ...settings };
    const client = await append(eventStore, clientStream('busy'), [
      { type: 'ClientCreated', data: { ...data, credential } },
      ...Array.from({ length: EVENTS }, (_, i) => ({
        type: 'ClientUpdated',
        data: { ...data, description: `the ${i}th` },
      })),
    ]);
    return { roles, client };
  });

test('moments without end, a client with thousands of changes and a long chain of roles keep nobody waiting', async () => {
  attacked = await startAttacked();
  const { roles, client } = await writeHistory(attacked.dataDir);
  const at = (path: string, position: string) =>
    signedFetch(`${attacked.rootUrl}/api/auth/v1${path}?at=${position}`, attacked.root);
  expect((await at('/clients/busy', client[1]!)).body).toMatchObject({ description: 'the 0th' });
  expect((await at('/clients/busy', client[EVENTS - 1]!)).body).toMatchObject({
    description: `the ${EVENTS - 2}th`,
  });
  const before = await attacked.residentBytes();
  const asked = Array.from({ length: MOMENTS }, async (_, i) => {
    const position = roles[roles.length - 1 - i * 5]!;
    const reply = await at(i % 2 ? '/roleids/' : '/roles/r0', position);
    return reply.status;
  });
  expect(new Set(await Promise.all(asked))).toEqual(new Set([200]));
  expect((await attacked.residentBytes()) - before).toBeLessThan(200 * MiB);
  expect(Object.keys(attacked.answers())).toEqual(['auth-success']);
});
