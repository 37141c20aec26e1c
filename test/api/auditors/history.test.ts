import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { clients } from '../../../projections/clients.ts';
import { roles } from '../../../projections/roles.ts';
import type { ClientSettings } from '../../../schemas/events/clientEvents.ts';
import type { Event, Metadata, Position, Recorded } from '../../../src/event.ts';
import { clientStream, credentialsStream, ROLES_STREAM } from '../../../src/eventStore/streams.ts';
import { logHistory } from '../../../src/readSide/logHistory.ts';
import { applyEvent, type Projection } from '../../../src/projection.ts';
import { histories } from '../../histories.ts';
import { authorizationFor, signedFetch } from '../../signed.ts';
import {
  type Credentials,
  minutesFromNow,
  ROOT,
  startService,
  type TestService,
} from '../../startService.ts';

type Entry = {
  position: Position;
  type: string;
  at: string;
  actor: string;
  entity: { kind: string; id: string };
  changes: { field: string; before?: unknown; after?: unknown }[];
  scopesAdded: string[];
  scopesRemoved: string[];
};
type Page = {
  entries: Entry[];
  hidden: number;
  position: Position;
  complete: boolean;
  continuationToken?: string;
};
type Query = Record<string, string | number>;
type Order = 'newest' | 'oldest';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.remove());

const eventStore = () => service.service.core.eventStore;

async function ask(query: Query, credentials: Credentials = ROOT) {
  const search = new URLSearchParams(
    Object.entries(query).map(([name, value]): [string, string] => [name, `${value}`]),
  );
  const separator = search.size > 0 ? '?' : '';
  return signedFetch(`${service.rootUrl}/api/authledger/v1/history${separator}${search}`, credentials);
}

async function page(query: Query, credentials?: Credentials): Promise<Page> {
  const { status, body } = await ask(query, credentials);
  expect({ status, body }).toMatchObject({ status: 200 });
  return body as unknown as Page;
}

/** All pages; `between` runs before each further one. */
async function pages(
  query: Query,
  { between, credentials }: { between?: () => Promise<unknown>; credentials?: Credentials } = {},
): Promise<Page[]> {
  const all: Page[] = [];
  for (let continuationToken: string | undefined; ;) {
    const next: Page = await page({ ...query, ...(continuationToken && { continuationToken }) }, credentials);
    all.push(next);
    ({ continuationToken } = next);
    expect(next.complete).toBe(continuationToken === undefined);
    if (next.complete) return all;
    await between?.();
  }
}

const positionsOf = (all: Page[]): Position[] =>
  all.flatMap(({ entries }) => entries.map(({ position }) => position));

async function wholeLog(): Promise<Recorded[]> {
  const events: Recorded[] = [];
  for await (const event of logHistory(eventStore(), {})) events.push(event);
  return events;
}

async function append(stream: string, events: Event[], metadata: Partial<Metadata> = {}): Promise<Position> {
  const { position } = await eventStore().append(
    [{ stream, expectedRevision: 'any', events: events.map((event) => ({ ...event, id: randomUUID() })) }],
    { actor: 'someone', at: new Date().toJSON(), requestId: 'a request', ...metadata },
  );
  return position;
}

async function auditor(name: string, scopes: string[]): Promise<Credentials> {
  const settings = { description: '', expires: minutesFromNow(60), scopes };
  const { accessToken } = await service.current()['createClient']!(name, settings);
  return { clientId: name, accessToken };
}

const EXPIRES = '2040-01-01T00:00:00.000Z';
const settings = (description: string, scopes: string[]): ClientSettings => ({
  description,
  expires: EXPIRES,
  deleteOnExpiration: false,
  scopes,
});
const credential = () => ({ id: randomUUID(), fingerprint: '0123456789abcdef' });
const clientCreated = (clientId: string, scopes: string[] = []): Event => ({
  type: 'ClientCreated',
  data: { clientId, ...settings('', scopes), credential: credential() },
});
const issued = (name: string, target: string, level?: string): Event => ({
  type: 'CredentialsIssued',
  data: { service: name, target, ...(level && { level }), expires: EXPIRES },
});

describe('history at a moment', () => {
  // It comes first: the times of later events are not in order.
  const positions: Position[] = [];
  const times: string[] = [];
  beforeAll(async () => {
    for (let i = 0; i < 5; i += 1) {
      times.push(new Date().toJSON());
      await new Promise((resolve) => setTimeout(resolve, 5));
      positions.push(await append(clientStream(`moment/${i}`), [clientCreated(`moment/${i}`)]));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });
  const of = { prefix: 'moment/', kind: 'client' };
  const idsOf = (all: Page[]): string[] =>
    all.flatMap(({ entries }) => entries.map(({ entity }) => entity.id));

  test('reads the log up to that position or time, page after page, in both directions', async () => {
    for (const at of [positions[2]!, times[3]!])
      for (const order of ['newest', 'oldest'] as Order[]) {
        const found = await pages(
          { ...of, at, order, limit: 1 },
          {
            between: () =>
              append(clientStream('moment/more'), [
                { type: 'ClientDisabled', data: { clientId: 'moment/4' } },
              ]),
          },
        );
        const expected = ['moment/0', 'moment/1', 'moment/2'];
        expect(idsOf(found)).toEqual(order === 'newest' ? expected.toReversed() : expected);
        expect(new Set(found.map(({ position }) => position))).toEqual(new Set([positions[2]]));
      }
  });

  test('says which position that is in its header, and needs no other scope', async () => {
    const one = await auditor('auditors/one', ['authledger:read-history:client/moment/*']);
    const url = `${service.rootUrl}/api/authledger/v1/history?prefix=moment/&kind=client&at=${times[2]}`;
    const reply = await fetch(url, { headers: { authorization: authorizationFor(url, 'GET', one) } });
    expect([reply.status, reply.headers.get('auth-position')]).toEqual([200, positions[1]]);
    expect(await page({ at: '2000-01-01T00:00:00Z' })).toMatchObject({ entries: [], complete: true });
  });

  test('with to or until ends where the first of them does', async () => {
    const [, second, third] = positions as [Position, Position, Position];
    for (const [query, last] of [
      [{ at: second, to: third }, 1],
      [{ at: third, to: second }, 1],
      [{ at: third, until: times[2] }, 1],
      [{ at: second, until: times[4] }, 1],
    ] as [Query, number][]) {
      const found = await page({ ...of, ...query, order: 'oldest' });
      expect([query, idsOf([found]).at(-1)]).toEqual([query, `moment/${last}`]);
      expect(found.position).toBe('to' in query ? second : query['at']);
    }
    expect((await page({ ...of, to: second })).position).toBe(second);
  });

  test('newest first, all pages name the position up to which the first one read', async () => {
    const found = await pages(
      { ...of, limit: 2 },
      { between: () => append(clientStream('moment/5'), [clientCreated('moment/5')]) },
    );
    expect(new Set(found.map(({ position }) => position)).size).toBe(1);
    const { entries } = await page({ ...of, from: found.at(-1)!.position, order: 'oldest' });
    expect(entries.map(({ entity }) => entity.id)).toContain('moment/5');
  });

  test('refuses moments that are none, a beginning after it, and tokens of another one', async () => {
    for (const [query, message] of [
      [{ at: 'nope' }, 'at'],
      [{ at: '2999-01-01T00:00:00Z' }, 'at must not be in the future'],
      [{ at: positions[0]!, from: positions[1]! }, 'from must not be after at'],
    ] as [Query, string][])
      expect(await ask(query)).toMatchObject({
        status: 400,
        body: { code: 'InvalidRequestArguments', message: expect.stringContaining(message) },
      });
    const { continuationToken } = await page({ ...of, at: positions[2]!, limit: 1 });
    for (const other of [of, { ...of, at: positions[1]! }])
      expect((await ask({ ...other, continuationToken: continuationToken! })).status).toBe(400);
  });
});

describe('an entry of history', () => {
  test('says who changed what of a client, through which request, from where and why', async () => {
    const auth = service.current();
    const { accessToken } = await auth['createClient']!('told/client', settings('first', ['a', 'b']));
    await auth['updateClient']!('told/client', settings('second', ['b', 'c']));
    await auth['disableClient']!('told/client');
    await auth['resetAccessToken']!('told/client');
    await auth['deleteClient']!('told/client');
    const { entries } = await page({ client: 'told/client', order: 'oldest' });
    expect(entries.map(({ type }) => type)).toEqual([
      'ClientCreated',
      'ClientUpdated',
      'ClientDisabled',
      'AccessTokenReset',
      'ClientDeleted',
    ]);
    const [created, updated, disabled, reset, deleted] = entries;
    expect(created).toMatchObject({
      actor: ROOT.clientId,
      entity: { kind: 'client', id: 'told/client' },
      changes: [
        { field: 'description', after: 'first' },
        { field: 'expires', after: EXPIRES },
        { field: 'deleteOnExpiration', after: false },
        { field: 'disabled', after: false },
        { field: 'credential', after: { fingerprint: expect.any(String) } },
      ],
      scopesAdded: ['a', 'b'],
      scopesRemoved: [],
      requestId: expect.any(String),
      sourceIp: '127.0.0.1',
    });
    expect(updated).toMatchObject({
      changes: [{ field: 'description', before: 'first', after: 'second' }],
      scopesAdded: ['c'],
      scopesRemoved: ['a'],
    });
    expect(disabled).toMatchObject({ changes: [{ field: 'disabled', before: false, after: true }] });
    const first = created!.changes[4]!.after;
    expect(reset!.changes).toEqual([{ field: 'credential', before: first, after: expect.anything() }]);
    expect(deleted).toMatchObject({
      changes: [
        { field: 'description', before: 'second' },
        { field: 'expires', before: EXPIRES },
        { field: 'deleteOnExpiration', before: false },
        { field: 'disabled', before: true },
        { field: 'credential', before: reset!.changes[0]!.after },
      ],
      scopesAdded: [],
      scopesRemoved: ['b', 'c'],
    });
    expect(deleted!.changes.every((change) => !('after' in change))).toBe(true);
    expect(JSON.stringify(entries)).not.toContain(accessToken);
  });

  test('says what changed of a role, and nothing of its life before', async () => {
    const auth = service.current();
    await auth['createRole']!('told:role', { description: 'first', scopes: ['a'] });
    await auth['deleteRole']!('told:role');
    await auth['createRole']!('told:role', { description: 'second', scopes: ['b'] });
    await auth['updateRole']!('told:role', { description: 'second', scopes: ['b', 'c'] });
    const { entries } = await page({ role: 'told:role' });
    expect(
      entries.map(({ changes, scopesAdded, scopesRemoved }) => [changes, scopesAdded, scopesRemoved]),
    ).toEqual([
      [[], ['c'], []],
      [[{ field: 'description', after: 'second' }], ['b'], []],
      [[{ field: 'description', before: 'first' }], [], ['a']],
      [[{ field: 'description', after: 'first' }], ['a'], []],
    ]);
  });

  test('has the reason, the issuer and the trace of the request', async () => {
    const metadata = {
      issuer: 'the/issuer',
      reason: 'a reason',
      sourceIp: '192.0.2.1',
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    };
    await append(clientStream('told/why'), [clientCreated('told/why')], metadata);
    expect((await page({ client: 'told/why' })).entries).toMatchObject([metadata]);
  });

  test('tells which dates an imported client had in the other deployment', async () => {
    const dates = { created: EXPIRES, lastModified: EXPIRES, lastRotated: EXPIRES };
    const { type, data } = clientCreated('told/imported');
    await append(clientStream('told/imported'), [{ type, data: { ...(data as object), imported: dates } }]);
    expect((await page({ client: 'told/imported' })).entries).toMatchObject([{ imported: dates }]);
  });

  test('tells of issued credentials the service, the target, the level and how long they are good for', async () => {
    await append(credentialsStream('told-service'), [issued('told-service', 'a target', 'read-only')]);
    const expected = {
      type: 'CredentialsIssued',
      entity: { kind: 'credentials', id: 'told-service' },
      changes: [],
      scopesAdded: [],
      scopesRemoved: [],
      issued: { target: 'a target', level: 'read-only', expires: EXPIRES },
    };
    expect((await page({ service: 'told-service' })).entries).toMatchObject([expected]);
    expect((await page({ kind: 'credentials', prefix: 'told-' })).entries).toMatchObject([expected]);
  });
});

describe('over any history of clients and roles', () => {
  let run = 0;
  const ENTITIES = [
    { kind: 'client', id: 'a' },
    { kind: 'client', id: 'b/a' },
    { kind: 'role', id: 'a' },
    { kind: 'role', id: 'b:*' },
  ] as const;
  type Named = (typeof ENTITIES)[number];
  const scopes = fc.subarray(['x', 'y', 'z:*', 'assume:a']);
  const step = fc.record({
    entity: fc.constantFrom(...ENTITIES),
    action: fc.constantFrom('update', 'rescope', 'enable', 'disable', 'reset', 'delete', 'expire', 'update'),
    scopes,
    description: fc.constantFrom('', 'one', 'two'),
    actor: fc.constantFrom('an/actor', 'another'),
    secondsAgo: fc.integer({ min: 0, max: 50 }),
  });
  type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

  /** The next event of a step, if the client or role is there or not. */
  function eventOf(
    { entity, action, scopes: given, description }: Step,
    { id, isThere }: { id: string; isThere: boolean },
  ): Event {
    if (entity.kind === 'role') {
      const data = { roleId: id, description, scopes: given };
      if (!isThere) return { type: 'RoleCreated', data };
      if (action === 'delete' || action === 'expire') return { type: 'RoleDeleted', data: { roleId: id } };
      return { type: 'RoleUpdated', data };
    }
    const clientId = id;
    const { scopes: _, ...others } = settings(description, []);
    if (!isThere) return clientCreated(clientId, given);
    switch (action) {
      case 'update':
        return { type: 'ClientUpdated', data: { clientId, ...others } };
      case 'rescope':
        return { type: 'ClientUpdated', data: { clientId, ...others, scopes: given } };
      case 'enable':
        return { type: 'ClientEnabled', data: { clientId } };
      case 'disable':
        return { type: 'ClientDisabled', data: { clientId } };
      case 'reset':
        return { type: 'AccessTokenReset', data: { clientId, credential: credential() } };
      case 'delete':
        return { type: 'ClientDeleted', data: { clientId } };
      default:
        return { type: 'ClientExpired', data: { clientId, expires: EXPIRES } };
    }
  }

  const idOf = (entity: Named, prefix: string): string => prefix + entity.id;

  async function appendSteps(
    steps: readonly Step[],
    { prefix, present }: { prefix: string; present: Set<string> },
  ) {
    for (const each of steps) {
      const id = idOf(each.entity, prefix);
      const key = `${each.entity.kind} ${id}`;
      const event = eventOf(each, { id, isThere: present.has(key) });
      if (/Deleted|Expired/.test(event.type)) present.delete(key);
      else present.add(key);
      const stream = each.entity.kind === 'role' ? ROLES_STREAM : clientStream(id);
      const at = new Date(Date.now() - each.secondsAgo * 1000).toJSON();
      await append(stream, [event], { actor: prefix + each.actor, at });
    }
  }

  /** What each event changed, by folding the log from its beginning. */
  function plainChanges(
    log: readonly Recorded[],
  ): Map<Position, Pick<Entry, 'changes' | 'scopesAdded' | 'scopesRemoved'>> {
    type Values = Record<string, unknown> & { scopes?: string[] };
    const rows = new Map<string, Values>();
    const changes = new Map<Position, Pick<Entry, 'changes' | 'scopesAdded' | 'scopesRemoved'>>();
    for (const event of log) {
      const key =
        event.stream === ROLES_STREAM ? `role ${(event.data as { roleId: string }).roleId}` : event.stream;
      const projection = (event.stream === ROLES_STREAM ? roles : clients) as unknown as Projection<
        Values,
        Event
      >;
      const [before, after] = [rows.get(key), applyEvent(projection, rows.get(key), event)];
      if (after) rows.set(key, after);
      else rows.delete(key);
      const fields = ['description', 'expires', 'deleteOnExpiration', 'disabled', 'credential'];
      changes.set(event.position, {
        changes: fields
          .filter((field) => JSON.stringify(before?.[field]) !== JSON.stringify(after?.[field]))
          .map((field) => ({
            field,
            ...(before && { before: before[field] }),
            ...(after && { after: after[field] }),
          })),
        scopesAdded: (after?.scopes ?? []).filter((scope) => !before?.scopes?.includes(scope)),
        scopesRemoved: (before?.scopes ?? []).filter((scope) => !after?.scopes?.includes(scope)),
      });
    }
    return changes;
  }

  type Filter = { query: Query; accepts(event: Recorded): boolean };

  /** A filter of each kind, by the events that were there when the list began. */
  function filters(prefix: string, log: readonly Recorded[]): Filter[] {
    const idIn = ({ data }: Recorded): string =>
      (data as { clientId?: string }).clientId ?? (data as { roleId?: string }).roleId ?? '';
    const isRole = ({ stream }: Recorded): boolean => stream === ROLES_STREAM;
    const ofRun = log.filter((event) => idIn(event).startsWith(prefix));
    const [early, late] = [ofRun[Math.floor(ofRun.length / 3)]!, ofRun[Math.floor((2 * ofRun.length) / 3)]!];
    const within = ({ position }: Recorded) => position > early.position && position <= late.position;
    const since = new Date(Date.now() - 35_000).toJSON();
    const until = new Date(Date.now() - 10_000).toJSON();
    const client = `${prefix}a`;
    return [
      { query: { client }, accepts: (event) => !isRole(event) && idIn(event) === client },
      { query: { role: client }, accepts: (event) => isRole(event) && idIn(event) === client },
      { query: { prefix }, accepts: (event) => idIn(event).startsWith(prefix) },
      {
        query: { prefix, kind: 'role' },
        accepts: (event) => isRole(event) && idIn(event).startsWith(prefix),
      },
      {
        query: { actor: `${prefix}another` },
        accepts: ({ metadata }) => metadata.actor === `${prefix}another`,
      },
      {
        query: { actor: `${prefix}another`, prefix: `${prefix}b`, type: 'ClientUpdated,RoleUpdated' },
        accepts: (event) =>
          event.metadata.actor === `${prefix}another` &&
          idIn(event).startsWith(`${prefix}b`) &&
          /Updated/.test(event.type),
      },
      { query: { from: early.position, to: late.position }, accepts: within },
      {
        query: { from: early.position, to: late.position, actor: `${prefix}an/actor` },
        accepts: (event) => within(event) && event.metadata.actor === `${prefix}an/actor`,
      },
      {
        query: { from: early.position, to: late.position, client },
        accepts: (event) => within(event) && !isRole(event) && idIn(event) === client,
      },
      {
        query: { from: early.position, to: late.position, role: client },
        accepts: (event) => within(event) && isRole(event) && idIn(event) === client,
      },
      {
        query: { from: early.position, to: late.position, prefix },
        accepts: (event) => within(event) && idIn(event).startsWith(prefix),
      },
      {
        query: { prefix, since, until },
        accepts: (event) =>
          idIn(event).startsWith(prefix) && event.metadata.at >= since && event.metadata.at <= until,
      },
      {
        query: { kind: 'client', from: early.position },
        accepts: (event) =>
          !isRole(event) && event.stream.startsWith('client-') && event.position > early.position,
      },
    ];
  }

  test('the pages hold what a filter of the log and a fold of it hold, in both directions, while others write', async () => {
    const order = fc.constantFrom<Order>('newest', 'oldest');
    const history = fc.array(step, { minLength: 3, maxLength: 40, size: 'max' });
    const limit = fc.constantFrom(1, 3, 10, 1000);
    const which = fc.nat();
    await fc.assert(
      fc.asyncProperty(
        history,
        fc.array(step, { maxLength: 10 }),
        fc.record({ order, limit, which }),
        async (first, then, asked) => {
          const prefix = `run-${(run += 1)}/`;
          const present = new Set<string>();
          await appendSteps(first, { prefix, present });
          const all = filters(prefix, await wholeLog());
          const { query, accepts } = all[asked.which % all.length]!;
          const later = [...then];
          const found = await pages(
            { ...query, order: asked.order, limit: asked.limit },
            { between: () => appendSteps(later.splice(0, 1), { prefix, present }) },
          );
          // The pages reach back from the first one, or on to the end of the last one.
          const end = (asked.order === 'newest' ? found[0]! : found.at(-1)!).position;
          const log = await wholeLog();
          const expected = log.filter((event) => event.position <= end && accepts(event));
          const changes = plainChanges(log);
          const entries = found.flatMap((each) => each.entries);
          if (asked.order === 'newest') entries.reverse();
          expect(entries.map(({ position }) => position)).toEqual(expected.map(({ position }) => position));
          for (const [i, { type, metadata, position }] of expected.entries())
            expect(entries[i]).toMatchObject({
              type,
              at: metadata.at,
              actor: metadata.actor,
              ...changes.get(position),
            });
          expect(found.every((each) => each.entries.length <= asked.limit && each.hidden === 0)).toBe(true);
        },
      ),
      histories(40),
    );
  });
});

describe('a long history', () => {
  /** More than are read one by one. */
  const CLIENTS = 1010;
  let end: Position;
  beforeAll(async () => {
    const made = Array.from({ length: CLIENTS }, (_, i) => ({
      stream: clientStream(`many/${i}`),
      expectedRevision: 'any' as const,
      events: [{ ...clientCreated(`many/${i}`), id: randomUUID() }],
    }));
    const by = { actor: 'a/crowd', at: new Date().toJSON(), requestId: 'a request' };
    await eventStore().append(made, by);
    const updates = Array.from({ length: 700 }, (_, i) => ({
      type: 'ClientUpdated',
      data: { clientId: 'many/7', ...settings(`${i}`, [`${i}`]) },
    }));
    await append(clientStream('many/7'), updates, { actor: 'a/crowd' });
    const target = (i: number): string => `target ${i}`;
    for (let n = 0; n < 21; n += 1)
      end = await append(
        credentialsStream('busy'),
        Array.from({ length: 500 }, (_, i) => issued('busy', target(500 * n + i))),
        { actor: 'a/crowd' },
      );
  });

  test.each<Order>(['newest', 'oldest'])(
    'of many clients with one prefix is read from the log, %s first',
    async (order) => {
      const found = await pages({ prefix: 'many/', order });
      const positions = positionsOf(found);
      expect(positions).toHaveLength(CLIENTS + 700);
      expect(positions).toEqual(order === 'oldest' ? positions.toSorted() : positions.toSorted().reverse());
    },
  );

  test.each<Order>(['newest', 'oldest'])(
    'of one client says what each event changed, on any page, %s first',
    async (order) => {
      const found = (await pages({ client: 'many/7', order, limit: 90 })).flatMap(({ entries }) => entries);
      const changes = found
        .flatMap((entry) => entry.changes)
        .filter(({ field, before }) => field === 'description' && before);
      expect(found).toHaveLength(701);
      expect(changes).toHaveLength(699);
      expect(changes.every(({ before, after }) => Number(after) === Number(before) + 1)).toBe(true);
    },
  );

  test('ends a page after 10,000 events that were looked at, and goes on from there', async () => {
    const [first, ...others] = await pages({ type: 'ClientCreated', actor: 'a/crowd', to: end });
    expect(first).toMatchObject({ entries: [], hidden: 0, complete: false });
    expect(positionsOf(others)).toHaveLength(CLIENTS);
  });

  test('is read from the part that has the times that are asked for', async () => {
    const since = '2200-01-01T00:00:00Z';
    await append(clientStream('many/late'), [clientCreated('many/late')], { at: '2200-01-01T12:00:00.000Z' });
    expect(await page({ since })).toMatchObject({ entries: [{ entity: { id: 'many/late' } }] });
    expect(await page({ until: '1999-01-01T00:00:00Z' })).toMatchObject({ entries: [], complete: true });
    expect((await page({ since: '2300-01-01T00:00:00Z', order: 'oldest' })).entries).toEqual([]);
  });

  test('of 100 entries by default, and of 1000 at most', async () => {
    expect((await page({ service: 'busy' })).entries).toHaveLength(100);
    expect((await page({ service: 'busy', limit: 5000 })).entries).toHaveLength(1000);
    expect((await page({ client: 'many/1', limit: 1 })).complete).toBe(true);
  });

  test('ends a page when much had to be read to say what changed', async () => {
    const ids = ['toggled/1', 'toggled/2', 'toggled/3'];
    for (const id of ids) {
      await append(clientStream(id), [clientCreated(id)]);
      for (let n = 0; n < 12; n += 1)
        await append(
          clientStream(id),
          Array.from({ length: 500 }, () => ({ type: 'ClientEnabled', data: { clientId: id } })),
        );
    }
    for (const id of ids)
      await append(
        clientStream(id),
        [{ type: 'ClientUpdated', data: { clientId: id, ...settings('new', []) } }],
        { actor: 'their/admin' },
      );
    const found = await pages({ actor: 'their/admin' });
    expect(found.map(({ entries }) => entries.map(({ entity }) => entity.id))).toEqual([
      ['toggled/3', 'toggled/2'],
      ['toggled/1'],
    ]);
    for (const { changes } of found.flatMap(({ entries }) => entries))
      expect(changes).toEqual([{ field: 'description', before: '', after: 'new' }]);
  });

  test('of large changes is in shorter pages', async () => {
    const large = (letter: string): string[] =>
      Array.from({ length: 40 }, (_, i) => `${letter}${i}:${'x'.repeat(10_000)}`);
    await append(clientStream('large'), [clientCreated('large', large('a'))]);
    for (const letter of ['b', 'c', 'd'])
      await append(clientStream('large'), [
        { type: 'ClientUpdated', data: { clientId: 'large', ...settings('', large(letter)) } },
      ]);
    const found = await pages({ client: 'large' });
    expect(found.length).toBeGreaterThan(1);
    expect(found.flatMap(({ entries }) => entries)).toMatchObject([
      { scopesAdded: large('d'), scopesRemoved: large('c') },
      { scopesAdded: large('c'), scopesRemoved: large('b') },
      { scopesAdded: large('b'), scopesRemoved: large('a') },
      { scopesAdded: large('a'), scopesRemoved: [] },
    ]);
  });
});

describe('a caller', () => {
  let ofSome: Credentials;
  let without: Credentials;
  let before: Position;
  let after: Position;
  beforeAll(async () => {
    ofSome = await auditor('auditors/some', [
      'authledger:read-history:client/seen/*',
      'authledger:read-history:role/seen:role',
    ]);
    without = await auditor('auditors/none', ['auth:*']);
    const auth = service.current();
    await auth['createRole']!('seen:role', { description: '', scopes: [] });
    ({ position: before } = await page({ limit: 1 }));
    for (const id of ['seen/1', 'unseen/1', 'seen/2', 'unseen/2']) {
      await append(clientStream(id), [clientCreated(id)], { actor: 'made/by' });
    }
    after = await append(credentialsStream('unseen'), [issued('unseen', 'target')], { actor: 'made/by' });
  });

  test('reads what its scopes are for', async () => {
    expect(await page({ actor: 'made/by', from: before }, ofSome)).toMatchObject({
      entries: [{ entity: { id: 'seen/2' } }, { entity: { id: 'seen/1' } }],
      complete: true,
    });
    expect(await page({ prefix: 'seen/', kind: 'client' }, ofSome)).toMatchObject({
      entries: [{ entity: { id: 'seen/2' } }, { entity: { id: 'seen/1' } }],
      hidden: 0,
      complete: true,
    });
    expect(await page({ client: 'seen/1' }, ofSome)).toMatchObject({ entries: [{}], hidden: 0 });
    expect(await page({ role: 'seen:role' }, ofSome)).toMatchObject({ entries: [{}], hidden: 0 });
    expect((await page({ actor: 'made/by' }, ROOT)).hidden).toBe(0);
  });

  test('learns nothing of an event that it may not read but that there is one', async () => {
    const range = { from: before, to: after };
    const conditions: Query[] = [
      {},
      { actor: 'made/by' },
      { actor: 'nobody' },
      { type: 'ClientCreated' },
      { type: 'RoleDeleted', actor: 'made/by' },
      { kind: 'client' },
      { kind: 'role' },
      { kind: 'credentials', actor: 'made/by' },
    ];
    for (const query of conditions)
      for (const order of ['newest', 'oldest']) {
        const found = await pages({ ...query, ...range, order }, { credentials: ofSome });
        expect([query, found.map(({ hidden }) => hidden)]).toEqual([query, [3]]);
      }
    expect((await page(range, ROOT)).hidden).toBe(0);
  });

  test('gets pages that say how many events it may not read in the part of the log that they are of', async () => {
    const query: Query = { actor: 'made/by', limit: 1, order: 'oldest', from: before, to: after };
    const found = await pages(query, { credentials: ofSome });
    expect(found.map(({ entries, hidden }) => [entries.length, hidden])).toEqual([
      [1, 0],
      [1, 1],
      [0, 2],
    ]);
  });

  test('with a prefix must have the scope for everything with that prefix', async () => {
    for (const [query, kinds] of [
      [{ prefix: 'seen/' }, ['role']],
      [{ prefix: 'unseen/1', kind: 'client' }, ['client']],
      [{ prefix: 'unseen/never-there', kind: 'client' }, ['client']],
      [{ prefix: 'unseen', kind: 'credentials' }, ['credentials']],
      [{ prefix: 'seen:role', kind: 'role' }, ['role']],
    ] as const)
      expect(await ask({ ...query, limit: 1 }, ofSome)).toMatchObject({
        status: 403,
        body: {
          code: 'InsufficientScopes',
          details: { missing: kinds.map((kind) => `authledger:read-history:${kind}/${query.prefix}*`) },
        },
      });
  });

  test.each([
    [{ client: 'unseen/1' }, 'authledger:read-history:client/unseen/1'],
    [{ role: 'other' }, 'authledger:read-history:role/other'],
    [{ service: 'unseen' }, 'authledger:read-history:credentials/unseen'],
  ])('without the scope for %j is refused', async (query, scope) => {
    expect(await ask(query, ofSome)).toMatchObject({ status: 403, body: { details: { missing: [scope] } } });
  });

  test('without any of the scopes is refused, whatever it asks for', async () => {
    for (const query of [{}, { actor: 'made/by' }, { prefix: 'seen/' }] as Query[])
      expect(await ask(query, without)).toMatchObject({
        status: 403,
        body: {
          code: 'InsufficientScopes',
          message: expect.stringContaining('at least one of this form'),
          details: { missing: ['authledger:read-history:<client|role|credentials>/<id>'] },
        },
      });
    const response = await fetch(`${service.rootUrl}/api/authledger/v1/history`);
    expect(response.status).toBe(403);
  });
});

describe('refused are', () => {
  test.each<[Query, string]>([
    [{ client: 'a', role: 'b' }, 'only one of client, role and service can be given, not client and role'],
    [{ client: 'a', prefix: 'b' }, 'prefix is for several'],
    [{ role: 'a', kind: 'role' }, 'kind is for several'],
    [{ client: 'a', type: 'RoleCreated' }, 'not RoleCreated'],
    [{ prefix: 'a', type: 'CredentialsIssued' }, 'not CredentialsIssued'],
    [{ type: 'Nonsense' }, 'type must be one or several of ClientCreated'],
    [{ kind: 'hook' }, 'kind'],
    [{ order: 'random' }, 'order'],
    [{ limit: 0 }, 'limit must be at least 1\n'],
    [{ since: '2026-02-30T00:00:00Z' }, 'since must be a date that exists'],
    [{ since: '2026-02-02T00:00:00Z', until: '2026-02-01T00:00:00Z' }, 'since must not be after until'],
    [{ from: '0123456789ab.00000000000000000001' }, 'from must be a position of this log'],
    [{ continuationToken: 'abcd' }, 'continuationToken must be one that an earlier page gave'],
    [{ unknown: 'x' }, 'not known here'],
  ])('the parameters %j', async (query, message) => {
    const { status, body } = await ask(query);
    expect(status).toBe(400);
    expect(body).toMatchObject({
      code: 'InvalidRequestArguments',
      message: expect.stringContaining(message),
    });
  });

  test('positions that the log has not come to, and those in the wrong order', async () => {
    const { position } = await page({ limit: 1 });
    const beyond = position.replace(/\d{20}$/, '99999999999999999999');
    expect((await ask({ to: beyond })).body).toMatchObject({
      message: expect.stringContaining('has not come to'),
    });
    const start = position.replace(/\d{20}$/, '0'.repeat(20));
    expect((await ask({ from: position, to: start })).body).toMatchObject({
      message: expect.stringContaining('from must not be after to'),
    });
    expect(await page({ from: start, to: start })).toMatchObject({ entries: [], complete: true });
  });

  test('tokens and positions of no event', async () => {
    const { continuationToken, position } = await page({ limit: 1 });
    const key = Buffer.from(continuationToken!, 'base64url').toString();
    const beyond = position.replace(/\d{20}$/, '99999999999999999999');
    const forged = key.replace(/[0-9a-f]{12}\.\d{20}/, beyond);
    expect(forged).not.toBe(key);
    expect(await ask({ continuationToken: Buffer.from(forged).toString('base64url') })).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('continuationToken must be one') },
    });
  });

  test('tokens with other filters or another order, but not with another limit', async () => {
    const { continuationToken } = await page({ limit: 1, kind: 'role' });
    const token = continuationToken!;
    for (const other of [{}, { kind: 'client' }, { kind: 'role', order: 'oldest' }] as Query[])
      expect((await ask({ ...other, continuationToken: token })).body).toMatchObject({
        message: expect.stringContaining('goes with the question of the page that gave it'),
      });
    expect((await ask({ kind: 'role', order: 'newest', limit: 5, continuationToken: token })).status).toBe(
      200,
    );
  });
});
