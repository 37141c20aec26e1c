import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { eventSchemas } from '../../schemas/events/eventSchemas.ts';
import { clientScopes, MANY_SCOPES } from '../../projections/clientScopes.ts';
import { actorHistory } from '../../projections/actorHistory.ts';
import { clients } from '../../projections/clients.ts';
import { roleHistory } from '../../projections/roleHistory.ts';
import { makeClientHistory } from '../../src/readSide/clientHistory.ts';
import type { Event, NewEvent } from '../../src/event.ts';
import type { EventStore } from '../../src/eventStore/eventStore.ts';
import { memoryEventStore } from '../../src/eventStore/memoryEventStore.ts';
import { UnknownPosition } from '../../src/eventStore/position.ts';
import { upcasting } from '../../src/eventStore/upcasting.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { allProjections, type Projector, startProjector } from '../../src/readSide/projector.ts';
import { tableOf } from '../../src/projection.ts';
import { memoryReadStore } from '../../src/readStore/memoryReadStore.ts';
import type { ReadStore } from '../../src/readStore/readStore.ts';
import { rebuild } from '../../src/readSide/rebuild.ts';
import { UnknownEvent } from '../../src/eventStore/unknownEvent.ts';
import { metadata } from '../contracts/eventStore.ts';
import { allRows, rowsOf } from '../allRows.ts';

const log = pino({ level: 'silent' });
const inCorpus = (name: string): Event[] =>
  JSON.parse(readFileSync(new URL(`../corpus/${name}.json`, import.meta.url), 'utf8')) as Event[];
const corpus = inCorpus('events-v1');
/** Of releases before texts had to be well-formed. */
const notWellFormed = inCorpus('events-not-well-formed');

async function appendAll(eventStore: EventStore, events: Event[]): Promise<void> {
  for (const event of events) {
    const { clientId, service } = event.data as { clientId?: string; service?: string };
    const ofAuth = clientId === undefined ? 'roles' : `client-${clientId}`;
    const stream = service === undefined ? ofAuth : `credentials-${service}`;
    await eventStore.append(
      [{ stream, expectedRevision: 'any', events: [{ ...event, id: randomUUID() } as NewEvent] }],
      metadata,
    );
  }
}

const start = (eventStore: EventStore, readStore: ReadStore, holder = 'one'): Promise<Projector> =>
  startProjector({ eventStore, readStore, log, holder });

const tablesOf = (readStore: ReadStore): Promise<object[][]> => rowsOf(readStore, allProjections);

describe('the read models', () => {
  test('understand every version of every event that was ever written', async () => {
    const eventStore = memoryEventStore({ validate: validateEvent });
    await appendAll(eventStore, corpus);
    const projector = await start(eventStore, memoryReadStore());
    expect(await projector.clients.get('one')).toMatchObject({
      description: 'newer',
      scopes: ['assume:team:y'],
      disabled: false,
    });
    expect((await projector.clients.get('one'))!.credential.id).toMatch(/^3/);
    expect(await projector.clients.get('two')).toBeUndefined();
    expect(projector.roleGraph.expand(['assume:team:y'])).toEqual(['a:y', 'assume:team:y', 'c']);
    const { entries } = await makeClientHistory(eventStore)('two', { fromRevision: 0, limit: 10 });
    expect(entries.map(({ actionType }) => actionType)).toEqual(['created', 'client disabled', 'expired']);
    const types = new Set(corpus.map(({ type }) => type));
    expect([...types].sort()).toEqual(Object.keys(eventSchemas).sort());
    expect([...types].sort()).toEqual(Object.keys(actorHistory.on).sort());
    await projector.stop();
  });

  test('are built beside the tables of a former version, which stay', async () => {
    const memory = memoryEventStore({ validate: validateEvent });
    const readStore = memoryReadStore();
    await appendAll(memory, [...corpus, ...notWellFormed]);
    const head = await memory.head();
    const former = ['clients-v1', 'roles-v1'];
    const old = [{ key: 'cut', value: { description: 'cut \ud83d' }, position: head }];
    for (const table of former) await readStore.commit(table, old, head);
    for (const { name, version } of [roleHistory, actorHistory])
      await readStore.commit(`${name}-v${version}`, [], head);
    for (let starts = 0; starts < 2; starts += 1) {
      const projector = await start(upcasting(memory), readStore);
      expect(await projector.clients.get('cut')).toMatchObject({ description: 'a\ufffdb\ufffd' });
      expect(projector.roleGraph.get('cut')!.description).toBe('\ufffd and \ufffd, 😀 and \\ud83d');
      expect(await projector.clients.get('one')).toMatchObject({ description: 'newer' });
      await projector.stop();
      expect(await readStore.checkpoint(tableOf(clients))).toBe(head);
    }
    for (const table of former) expect(await allRows(readStore, table)).toEqual(old);
  });

  test('are there also when the log was read before its head is known', async () => {
    const memory = memoryEventStore({ validate: validateEvent });
    await appendAll(memory, corpus.slice(0, 8));
    const slow = {
      ...memory,
      async head() {
        await sleep(50);
        return memory.head();
      },
    };
    const projector = await start(slow, memoryReadStore());
    expect(projector.position).toBe(await memory.head());
    await projector.stop();
  });

  test('answer the same, whichever node writes the tables, and however far they are', async () => {
    const eventStore = memoryEventStore({ validate: validateEvent });
    const readStore = memoryReadStore();
    await appendAll(eventStore, corpus.slice(0, 8));
    const writer = await start(eventStore, readStore, 'writer');
    const reader = await start(eventStore, readStore, 'reader');
    await appendAll(eventStore, corpus.slice(8));
    for (const node of [writer, reader]) {
      await node.catchUp();
      expect((await node.clients.list({ limit: 10 })).rows.map(({ key }) => key)).toEqual(['one']);
      expect(await node.clients.get('one')).toMatchObject({ description: 'newer' });
      expect(node.roleGraph.expandRole('old')).toEqual(['assume:old']);
    }
    expect([writer.isWriter(), reader.isWriter()]).toEqual([true, false]);
    await reader.stop();
    await writer.stop();
    const written = await tablesOf(readStore);
    await rebuild(allProjections, { eventStore, readStore });
    expect(await tablesOf(readStore)).toEqual(written);
  });

  test('are rebuilt even if the old tables are beyond the last event, because others share the log', async () => {
    const eventStore = memoryEventStore({ validate: validateEvent });
    const readStore = memoryReadStore();
    await appendAll(eventStore, corpus);
    await (await start(eventStore, readStore)).stop();
    const written = await tablesOf(readStore);
    const beyond = (await eventStore.head()).replace(/.$/, '9');
    for (const projection of allProjections) await readStore.commit(tableOf(projection), [], beyond);
    await rebuild(allProjections, { eventStore, readStore });
    expect(await tablesOf(readStore)).toEqual(written);
    for (const projection of allProjections)
      expect(await readStore.checkpoint(tableOf(projection))).toBe(beyond);
  });

  test('are at the position of an event, which all nodes reach, even if others have written behind it', async () => {
    const eventStore = memoryEventStore({ validate: validateEvent });
    await appendAll(eventStore, corpus);
    const last = await eventStore.head();
    const beyond = last.replace(/.$/, '9');
    const among: EventStore = {
      ...eventStore,
      async *subscribe(options) {
        const after = options.after === beyond ? last : options.after;
        for await (const batch of eventStore.subscribe({ ...options, after }))
          yield batch.live ? { ...batch, position: beyond } : batch;
      },
    };
    const readStore = memoryReadStore();
    for (let starts = 0; starts < 2; starts += 1) {
      const projector = await start(among, readStore);
      expect(await projector.waitFor(beyond)).toBe(true);
      expect(projector.position).toBe(last);
      await projector.stop();
    }
  });

  test.each([
    ['of another log', (position: string) => position.replace(/^./, (digit) => (digit === 'f' ? '0' : 'f'))],
    ['of another log that sorts before', (position: string) => position.replace(/^.{6}/, '000000')],
    ['of a later state of this one', (position: string) => position.replace(/.$/, '9')],
  ])('are not served from tables %s, be it empty or not', async (_, moved) => {
    for (const events of [corpus.slice(0, 5), []]) await expectRefused(events, moved);
  });

  async function expectRefused(events: Event[], moved: (position: string) => string): Promise<void> {
    const eventStore = memoryEventStore({ validate: validateEvent });
    const readStore = memoryReadStore();
    await appendAll(eventStore, events);
    const place = moved(await eventStore.head());
    for (const projection of allProjections) await readStore.commit(tableOf(projection), [], place);
    await expect(start(eventStore, readStore)).rejects.toThrow(UnknownPosition);
    for (const projection of allProjections)
      expect(await readStore.checkpoint(tableOf(projection))).toBe(place);
  }

  test('go on where the tables are, and need no history for the roles', async () => {
    const eventStore = memoryEventStore({ validate: validateEvent });
    const readStore = memoryReadStore();
    await appendAll(eventStore, corpus);
    await (await start(eventStore, readStore)).stop();
    let read = 0;
    const counting: EventStore = {
      ...eventStore,
      async *subscribe(options) {
        for await (const batch of eventStore.subscribe(options)) {
          read += batch.events.length;
          yield batch;
        }
      },
    };
    const again = await start(counting, readStore);
    expect(read).toBe(0);
    expect(again.rolesRevision).toBe(3);
    expect(again.roleGraph.expand(['assume:team:y'])).toEqual(['a:y', 'assume:team:y', 'c']);
    await again.stop();
  });

  test('say now and then how far they are where only credentials are given, so that a start reads few of these again', async () => {
    const eventStore = memoryEventStore({ validate: validateEvent });
    const readStore = memoryReadStore();
    const projector = await start(eventStore, readStore);
    const issued = {
      type: 'CredentialsIssued',
      data: { service: 's', target: 't', expires: '2030-01-01T00:00:00Z' },
    };
    for (const count of [...Array<number>(10).fill(1000), 1]) {
      const events = Array.from({ length: count }, () => ({ ...issued, id: randomUUID() }));
      await eventStore.append([{ stream: 'credentials-s', expectedRevision: 'any', events }], metadata);
    }
    await projector.catchUp();
    const head = await eventStore.head();
    const checkpoint = () => readStore.checkpoint(tableOf(allProjections[0]!));
    for (let tries = 0; tries < 200 && (await checkpoint()) !== head; tries += 1) await sleep(10);
    expect(await checkpoint()).toBe(head);
    await projector.stop();
  });

  test('follow the log while many rows of a table that decides nothing wait to be written', async () => {
    const eventStore = memoryEventStore({ validate: validateEvent });
    const memory = memoryReadStore();
    let goOn = (): void => undefined;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    const slow: ReadStore = {
      ...memory,
      async commit(table, rows, position) {
        if (table === tableOf(clientScopes) && rows.length > 0) await held;
        await memory.commit(table, rows, position);
      },
    };
    const projector = await start(eventStore, slow);
    const expires = '2040-01-01T00:00:00.000Z';
    const credential = { id: randomUUID(), fingerprint: '0123456789abcdef' };
    for (let i = 0; i < 120; i += 1) {
      const scopes = Array.from({ length: MANY_SCOPES }, (_, n) => `s:${i}:${n}`);
      const settings = { clientId: `c/${i}`, description: '', expires, deleteOnExpiration: false, scopes };
      await appendAll(eventStore, [{ type: 'ClientCreated', data: { ...settings, credential } }]);
    }
    await projector.catchUp();
    expect(await projector.clients.get('c/119')).toBeDefined();
    expect(projector.clientScopes.unwritten).toBe(120 * MANY_SCOPES);
    for (let tries = 0; tries < 200 && projector.clients.unwritten > 0; tries += 1) await sleep(10);
    expect(projector.clients.unwritten).toBe(0);
    goOn();
    await projector.stop();
    expect(await memory.checkpoint(tableOf(clientScopes))).toBe(await eventStore.head());
  });

  test('stop, and answer nothing any more, at an event that this release cannot read', async () => {
    const eventStore = memoryEventStore({ validate: () => undefined });
    const readStore = memoryReadStore();
    const projector = await start(eventStore, readStore);
    await appendAll(eventStore, [{ type: 'RoleFrozen', data: { roleId: 'r' } }]);
    await expect(projector.catchUp()).rejects.toMatchObject({
      code: 'ServiceUnavailable',
      message: expect.stringMatching(/RoleFrozen.*newer/),
    });
    await projector.stop();
    await expect(start(eventStore, readStore)).rejects.toThrow(UnknownEvent);
  });

  test('go on after the log could not be read for a while', async () => {
    const eventStore = memoryEventStore({ validate: validateEvent });
    let isBroken = true;
    const flaky: EventStore = {
      ...eventStore,
      async *subscribe(options) {
        if (isBroken) throw new Error('out of reach');
        yield* eventStore.subscribe(options);
      },
    };
    await appendAll(eventStore, corpus);
    const starting = start(flaky, memoryReadStore());
    await sleep(50);
    isBroken = false;
    const projector = await starting;
    expect(await projector.clients.get('one')).toBeDefined();
    await projector.stop();
  });
});
