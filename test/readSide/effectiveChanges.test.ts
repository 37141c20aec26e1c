import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import pino from 'pino';
import type { ClientRow } from '../../projections/clients.ts';
import { missingFrom } from '../../src/domain/scopes.ts';
import type { Event, Position } from '../../src/event.ts';
import type { EventStore } from '../../src/eventStore/eventStore.ts';
import { memoryEventStore } from '../../src/eventStore/memoryEventStore.ts';
import { clientStream, ROLES_STREAM } from '../../src/eventStore/streams.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { makeLongWork } from '../../src/process/longWork.ts';
import { makePaced, type Paced } from '../../src/process/paced.ts';
import { changedSubjects } from '../../src/readSide/changedSubjects.ts';
import { type EffectiveChange, makeEffectiveChanges } from '../../src/readSide/effectiveChanges.ts';
import { makeFormerStates } from '../../src/readSide/formerStates.ts';
import { holderBetween } from '../../src/readSide/holderBetween.ts';
import { makeMoments } from '../../src/readSide/moments.ts';
import { startProjector } from '../../src/readSide/projector.ts';
import { memoryReadStore } from '../../src/readStore/memoryReadStore.ts';
import { anyHistory, historyWriter, type PlainState, plainStateAt } from '../anyHistory.ts';
import { metadata } from '../contracts/eventStore.ts';
import { plainExpansion } from '../domain/plainExpansion.ts';
import { histories } from '../histories.ts';

const log = pino({ level: 'silent' });
const owner = { caller: 'an auditor' };

/**
 * Compares moments of a log that is there; `maxEvents` decides whether all clients and roles are compared. `beforeScan` is
 * done before expirations are looked up, `onStep` before each step that is paced.
 */
async function comparing(
  eventStore: EventStore,
  { beforeScan, onStep }: { beforeScan?: () => Promise<void>; onStep?: () => void } = {},
) {
  const projector = await startProjector({
    eventStore,
    readStore: memoryReadStore(),
    log,
    holder: randomUUID(),
  });
  const longWork = makeLongWork({ log });
  const formerStates = makeFormerStates({ projector, eventStore, longWork });
  const moments = makeMoments({ eventStore, projector });
  return {
    stop: projector.stop,
    async between(from: Position, to: Position, maxEvents?: number): Promise<EffectiveChange[]> {
      const [before, after] = await Promise.all(
        [from, to].map(async (position) => {
          const moment = await moments.atPosition(position);
          return { ...formerStates(moment, owner), moment };
        }),
      );
      const pace = makePaced(longWork, owner);
      const paced: Paced = (step) => {
        onStep?.();
        return pace(step);
      };
      const { position, lives, clients, clientScopes, roleGraph, roleHistory } = projector;
      const list: typeof projector.expirations.list = async (page) => {
        await beforeScan?.();
        await projector.catchUp();
        return projector.expirations.list(page);
      };
      const seen = { position, lives, clients, clientScopes, roleGraph, roleHistory, expirations: { list } };
      const parts = { projector: seen, eventStore, longWork, owner, paced };
      const changesOf = makeEffectiveChanges({
        before: before!,
        after: after!,
        between: (subject) => holderBetween(parts, subject, [from, to]),
        longWork,
        owner,
        paced,
      });
      const between = { from: before!.moment, to: after!.moment, maxEvents };
      const found: EffectiveChange[] = [];
      for await (const subjects of changedSubjects(parts, between))
        found.push(...(await changesOf(subjects)));
      return found;
    },
  };
}

/** What every client and role may do in a state, by the plain rules. */
function effectiveScopes({ clients, roles }: PlainState, time: number): Map<string, string[]> {
  const definitions = [...roles.values()];
  const isEffective = ({ disabled, expires }: ClientRow): boolean => !disabled && Date.parse(expires) >= time;
  return new Map([
    ...[...clients.values()]
      .filter(isEffective)
      .map((client): [string, string[]] => [
        `client/${client.clientId}`,
        plainExpansion(definitions, client.scopes),
      ]),
    ...definitions.map(({ roleId }): [string, string[]] => [
      `role/${roleId}`,
      plainExpansion(definitions, [`assume:${roleId}`]),
    ]),
  ]);
}

describe('what changed between two moments', () => {
  test('is the difference of two expansions, with events between the two moments that caused it', async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory(16), fc.nat(), fc.nat(), fc.boolean(), async (steps, one, other, isFar) => {
        const eventStore = memoryEventStore({ validate: validateEvent });
        const { write, log: written } = historyWriter(eventStore);
        for (const step of steps) await write(step);
        const positions = [eventStore.start, ...written.map(({ position }) => position)];
        const [from, to] = [one, other].map((at) => positions[at % positions.length]!).sort() as [
          Position,
          Position,
        ];
        const comparison = await comparing(eventStore);
        const found = await comparison.between(from, to, isFar ? -1 : undefined);
        await comparison.stop();
        const timeAt = (position: Position): number =>
          Date.parse(written.find((event) => event.position === position)?.metadata.at ?? '1970-01-01');
        const [before, after] = [from, to].map((position) =>
          effectiveScopes(plainStateAt(written, position), timeAt(position)),
        ) as [Map<string, string[]>, Map<string, string[]>];
        const expected = [...new Set([...before.keys(), ...after.keys()])]
          .sort()
          .map((name) => {
            const [had, has] = [before.get(name) ?? [], after.get(name) ?? []];
            return { name, gained: missingFrom(had, has), lost: missingFrom(has, had) };
          })
          .filter(({ gained, lost }) => gained.length + lost.length > 0);
        expect(
          found.map(({ subject: { kind, id }, gained, lost }) => ({ name: `${kind}/${id}`, gained, lost })),
        ).toEqual(expected);
        for (const { gained, lost, causes, expired, isExplained } of found) {
          expect(isExplained).toBe(Math.max(gained.length, lost.length) <= 20);
          // Where times run backwards, one that had expired comes back without an event.
          if (expired === undefined && timeAt(from) <= timeAt(to)) expect(causes.length).toBeGreaterThan(0);
          if (expired !== undefined) expect(Date.parse(expired)).toBeLessThan(timeAt(to));
          for (const { position } of causes) expect(position > from && position <= to).toBe(true);
        }
      }),
      histories(100),
    );
  });

  /** Clients `c/000`, … with the scope `assume:a`, and the role `a`, at minute 0. */
  async function manyClients(count: number, minuteOfExpiration: number | null) {
    const eventStore = memoryEventStore({ validate: validateEvent });
    const { write, log: written } = historyWriter(eventStore);
    const step = { isImported: false, minute: 0, held: [] };
    await write({ ...step, roleId: 'a', scopes: ['x'] });
    for (let i = 0; i < count; i += 1) {
      const clientId = `c/${String(i).padStart(3, '0')}`;
      const expires = i % 2 === 0 ? minuteOfExpiration : null;
      await write({ ...step, clientId, does: 'update', scopes: ['assume:a'], expires });
    }
    const at = (minute: number, roleId: string, scopes: string[]) =>
      write({ ...step, minute, roleId, scopes });
    return { eventStore, at, last: () => written.at(-1)!.position };
  }

  test.each([
    ['read from the events between the moments', undefined],
    ['compared', -1],
  ])('has the clients that merely expired, where all are %s', async (_, maxEvents) => {
    const { eventStore, at, last } = await manyClients(700, 10);
    const from = last();
    await at(20, 'unrelated', []);
    const comparison = await comparing(eventStore);
    const found = await comparison.between(from, last(), maxEvents);
    const backwards = await comparison.between(from, from, maxEvents);
    await comparison.stop();
    const clients = found.filter(({ subject }) => subject.kind === 'client');
    expect(clients.map(({ subject }) => subject.id)).toEqual(
      Array.from({ length: 350 }, (__, i) => `c/${String(2 * i).padStart(3, '0')}`),
    );
    expect(clients[0]).toMatchObject({
      lost: ['assume:a', 'x'],
      expired: '2026-01-01T00:10:00.000Z',
      causes: [],
    });
    expect(backwards).toEqual([]);
  });

  test('has those that were deleted after they expired, while they are looked for', async () => {
    const { eventStore, at, last } = await manyClients(3, 10);
    const from = last();
    await at(20, 'unrelated', []);
    const to = last();
    const comparison = await comparing(eventStore, {
      async beforeScan() {
        const deletion = { type: 'ClientDeleted', data: { clientId: 'c/002' }, id: randomUUID() };
        await eventStore.append(
          [{ stream: clientStream('c/002'), expectedRevision: 'any', events: [deletion] }],
          metadata,
        );
      },
    });
    const found = await comparison.between(from, to);
    await comparison.stop();
    expect(found.map(({ subject }) => subject.id)).toEqual(['c/000', 'c/002', 'unrelated']);
  });

  test('makes way for others between any two reads, comparisons and searches', async () => {
    const { eventStore, at, last } = await manyClients(100, null);
    const from = last();
    await at(0, 'a', ['y']);
    let steps = 0;
    const comparison = await comparing(eventStore, { onStep: () => (steps += 1) });
    const found = await comparison.between(from, last());
    await comparison.stop();
    expect(found).toHaveLength(101);
    // Of each client: one comparison, two paths of two grants each, the events of two holders; of some: one read.
    expect(steps).toBeGreaterThan(100 * (1 + 2 + 4 + 2) + 25);
  });

  describe('names', () => {
    const expires = '2030-01-01T00:00:00.000Z';
    const clientData = (scopes: string[]) => ({
      clientId: 'c',
      description: '',
      expires,
      deleteOnExpiration: false,
      scopes,
    });
    const created = (...scopes: string[]): Event => ({
      type: 'ClientCreated',
      data: {
        ...clientData(scopes),
        credential: { id: '00000000-0000-4000-8000-000000000000', fingerprint: '0123456789abcdef' },
      },
    });
    const client = (type: string): Event => ({ type, data: { clientId: 'c' } });
    const role = (type: string, roleId: string, ...scopes: string[]): Event => ({
      type,
      data: { roleId, ...(type !== 'RoleDeleted' && { description: '', scopes }) },
    });

    /** Writes events, and returns the causes of the client's change after the first `count` ones, by type. */
    async function causesAfter(count: number, ...events: Event[]): Promise<string[]> {
      const eventStore = memoryEventStore({ validate: validateEvent });
      const positions: Position[] = [];
      for (const event of events) {
        const stream = 'roleId' in (event.data as object) ? ROLES_STREAM : clientStream('c');
        const write = { stream, expectedRevision: 'any' as const, events: [{ ...event, id: randomUUID() }] };
        positions.push((await eventStore.append([write], metadata)).position);
      }
      const comparison = await comparing(eventStore);
      const found = await comparison.between(positions[count - 1]!, positions.at(-1)!);
      await comparison.stop();
      const causes = found.find(({ subject }) => subject.kind === 'client')?.causes ?? [];
      return causes.map(({ position, type }) => `${positions.indexOf(position)} ${type}`);
    }

    test('the change of a role three steps away', async () => {
      const before = [
        created('assume:a'),
        role('RoleCreated', 'a', 'assume:b'),
        role('RoleCreated', 'b', 'x'),
      ];
      const causes = await causesAfter(3, ...before, role('RoleUpdated', 'b', 'x', 'y'));
      expect(causes).toEqual(['3 RoleUpdated']);
    });

    test('all changes that were needed together', async () => {
      const causes = await causesAfter(
        1,
        created('assume:a'),
        role('RoleCreated', 'b', 'y'),
        role('RoleCreated', 'a', 'z'),
        role('RoleUpdated', 'a', 'z', 'assume:b'),
      );
      expect(causes).toEqual(['1 RoleCreated', '2 RoleCreated', '3 RoleUpdated']);
    });

    test('the last of several changes that took a scope away and gave it back', async () => {
      const update = (...scopes: string[]): Event => ({ type: 'ClientUpdated', data: clientData(scopes) });
      expect(await causesAfter(1, created('x'), update(), update('x'), update(), update('y'))).toEqual([
        '3 ClientUpdated',
        '4 ClientUpdated',
      ]);
    });

    test('who switched a client off or on', async () => {
      expect(await causesAfter(1, created('x'), client('ClientDisabled'))).toEqual(['1 ClientDisabled']);
      expect(await causesAfter(2, created('x'), client('ClientDisabled'), client('ClientEnabled'))).toEqual([
        '2 ClientEnabled',
      ]);
      expect(await causesAfter(1, created('x'), client('ClientDeleted'))).toEqual(['1 ClientDeleted']);
    });
  });
});
