import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import pino from 'pino';
import { memoryEventStore } from '../../src/eventStore/memoryEventStore.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { makeLongWork } from '../../src/process/longWork.ts';
import { makePaced } from '../../src/process/paced.ts';
import { changedSubjects } from '../../src/readSide/changedSubjects.ts';
import { makeMoments } from '../../src/readSide/moments.ts';
import { startProjector } from '../../src/readSide/projector.ts';
import { memoryReadStore } from '../../src/readStore/memoryReadStore.ts';
import { historyWriter } from '../anyHistory.ts';

const log = pino({ level: 'silent' });
const owner = { caller: 'an auditor' };

/** A log with these roles and clients, by what they have, and then a change of the role `base`. */
async function changeOfBase(roles: Record<string, string[]>, clients: Record<string, string[]>) {
  const eventStore = memoryEventStore({ validate: validateEvent });
  const { write } = historyWriter(eventStore);
  const step = { minute: 0, held: [], isImported: false };
  for (const [roleId, scopes] of Object.entries({ base: ['x'], ...roles }))
    await write({ ...step, roleId, scopes });
  for (const [clientId, scopes] of Object.entries(clients))
    await write({ ...step, clientId, does: 'update', scopes, expires: null });
  const from = await eventStore.head();
  await write({ ...step, roleId: 'base', scopes: ['y'] });
  const options = { eventStore, readStore: memoryReadStore(), log, holder: randomUUID() };
  const projector = await startProjector(options);
  const moments = makeMoments({ eventStore, projector });
  let reads = 0;
  const list: typeof projector.clientScopes.list = (page) => {
    reads += 1;
    return projector.clientScopes.list(page);
  };
  const longWork = makeLongWork({ log });
  const { position, lives, expirations, roleGraph } = projector;
  const seen = { position, lives, expirations, roleGraph, clientScopes: { list } };
  const found: string[] = [];
  const question = { from: await moments.atPosition(from), to: await moments.atPosition(position) };
  const parts = { projector: seen, eventStore, longWork, owner, paced: makePaced(longWork, owner) };
  for await (const subjects of changedSubjects(parts, question))
    found.push(...subjects.map(({ kind, id }) => `${kind} ${id}`));
  await projector.stop();
  return { found, reads };
}

function longIds(count: number, length: number): string[] {
  const middle = 'org/'.repeat(Math.ceil(length / 4)).slice(0, length);
  return Array.from({ length: count }, (_, i) => `repo:${middle}${String(i).padStart(3, '0')}:branch:main`);
}

test('many roles with long ids take few reads of the table of scopes', async () => {
  const ids = longIds(200, 80);
  const roles = Object.fromEntries(ids.map((id) => [id, ['assume:base']]));
  const { found, reads } = await changeOfBase(roles, {
    other: ['z'],
    starred: ['assume:repo:org/*'],
    exact: [`assume:${ids[7]!}`],
    everything: ['*'],
    assume: ['assume:*'],
    longer: [`assume:${ids[7]!}/more`],
  });
  const clients = found.filter((name) => name.startsWith('client'));
  expect(clients).toEqual(['client assume', 'client everything', 'client exact', 'client starred']);
  expect(found.length - clients.length).toBe(201);
  expect(reads).toBeLessThan(50);
});

test('a role whose id ends in a star concerns all who have a scope that begins like it', async () => {
  const { found } = await changeOfBase(
    { 'team:*': ['assume:base'] },
    { exact: ['assume:team:a'], starred: ['assume:team:b*'], wider: ['assume:te*'], other: ['assume:tea'] },
  );
  expect(found).toEqual(['client exact', 'client starred', 'client wider', 'role base', 'role team:*']);
});

test('where the scopes that grant the roles are too many to be looked for, all are named', async () => {
  // Their beginnings have nothing in common.
  const ids = Array.from({ length: 20 }, (_, i) => `${i}:${'long'.repeat(150)}`);
  const { found, reads } = await changeOfBase(Object.fromEntries(ids.map((id) => [id, ['assume:base']])), {
    other: ['z'],
  });
  expect(found).toContain('client other');
  expect(reads).toBe(0);
});
