import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { eventSchemas } from '../../schemas/events/eventSchemas.ts';
import { FREE_TEXTS, upcast } from '../../src/eventStore/upcast.ts';
import { isWellFormed } from '../../src/domain/wellFormed.ts';
import type { Event, NewEvent } from '../../src/event.ts';
import { memoryMessageBus } from '../../src/messageBus/memoryMessageBus.ts';
import { openSqlite } from '../../src/storage/openSqlite.ts';
import { PUBLISHER_TABLE, startPublisher } from '../../src/publisher/publish.ts';
import { metadata } from '../contracts/eventStore.ts';
import { recorded } from '../decisionsOf.ts';
import { inStores } from '../inStores.ts';
import { runCommand } from '../runCommand.ts';
import { signedFetch } from '../signed.ts';
import { ROOT, startService, STATIC_CLIENTS, type TestService } from '../startService.ts';

const read = (name: string): Event[] =>
  JSON.parse(readFileSync(new URL(`../corpus/${name}.json`, import.meta.url), 'utf8')) as Event[];
/** What releases before today's have written. */
const notWellFormed = read('events-not-well-formed');

describe('an event of an earlier release', () => {
  test('has U+FFFD where a text of it cannot be read by other languages', () => {
    const shown = recorded(notWellFormed).map((event) => upcast(event).data as Record<string, unknown>);
    expect(shown.map(({ description }) => description)).toEqual([
      'cut \ufffd',
      '\ufffd and \ufffd, 😀 and \\ud83d',
      '\ufffd',
      'a\ufffdb\ufffd',
      undefined,
    ]);
    expect(shown.at(-1)).toMatchObject({ target: 'bucket/\ufffd', level: '\ufffd' });
  });

  test('is as it was otherwise', () => {
    const plain = recorded(read('events-v1'));
    expect(plain.map(upcast)).toEqual(plain);
    for (const event of recorded(notWellFormed)) {
      const { data, ...rest } = upcast(event);
      expect(rest).toEqual({ ...event, data: undefined });
      for (const [name, value] of Object.entries(event.data as object))
        if (typeof value !== 'string' || isWellFormed(value)) expect(data).toHaveProperty(name, value);
    }
  });

  test('has no other texts that no pattern of its schema bounds', () => {
    type Schema = { properties?: Record<string, Schema>; type?: string; pattern?: string; format?: string };
    const free = ({ properties = {} }: Schema): string[] =>
      Object.entries(properties).flatMap(([name, schema]) =>
        schema.type === 'string' && schema.pattern === undefined && schema.format === undefined
          ? [name]
          : free(schema),
      );
    expect(new Set(Object.values(eventSchemas).flatMap(free))).toEqual(new Set(FREE_TEXTS));
  });
});

describe('a log of an earlier release', () => {
  const folder = mkdtempSync(join(tmpdir(), 'authledger-upcast-'));
  const env = { DATA_DIR: join(folder, 'data'), STATIC_CLIENTS, LOG_LEVEL: 'warn' };
  let service: TestService;
  let stored: string[];

  beforeAll(async () => {
    await inStores(env, async ({ eventStore }) => {
      for (const event of notWellFormed) {
        const { clientId, service: name } = event.data as { clientId?: string; service?: string };
        const stream = clientId ? `client-${clientId}` : name ? `credentials-${name}` : 'roles';
        const events = [{ ...event, id: randomUUID() } as NewEvent];
        await eventStore.append([{ stream, expectedRevision: 'any', events }], metadata);
      }
    });
    stored = storedIn(env.DATA_DIR);
    expect(stored.join()).toMatch(/\\ud83d.*\\u0000/);
    service = await startService({}, env.DATA_DIR);
  });
  afterAll(async () => {
    await service.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The data of its first events, to the byte. */
  function storedIn(dataDir: string): string[] {
    const db = openSqlite(join(dataDir, 'log.sqlite'), { synchronous: 'FULL' });
    try {
      return db
        .prepare<[number], string>('SELECT data FROM events ORDER BY position LIMIT ?')
        .pluck()
        .all(notWellFormed.length);
    } finally {
      db.close();
    }
  }
  /** Fails for JSON that other languages cannot read: written anew, it has escapes of nothing else. */
  function readable(json: string): never {
    const value = JSON.parse(json) as never;
    expect(JSON.stringify(value).replaceAll('\\\\', '')).not.toMatch(/\\ud[89a-f]|\\u0000/);
    return value;
  }

  test('is answered from with texts that can be read', async () => {
    const get = async (path: string): Promise<never> =>
      readable(await (await fetch(`${service.rootUrl}/v1${path}`)).text());
    const role = { roleId: 'cut', description: '\ufffd and \ufffd, 😀 and \\ud83d', scopes: ['a', 'b'] };
    expect(await get('/roles/')).toMatchObject([role]);
    expect(await get('/roles/cut')).toMatchObject(role);
    const client = { clientId: 'cut', description: 'a\ufffdb\ufffd' };
    expect(await get('/clients/?prefix=cut')).toMatchObject([client]);
    expect(await get('/clients/cut')).toMatchObject(client);
  });

  test('is shown, exported and published so, and stays as it was written', async () => {
    const history = await runCommand(['history', '--json'], env);
    const lines = history.stdout.trimEnd().split('\n');
    expect(lines.slice(0, 5).map((line) => readable(line))).toMatchObject([
      { data: { description: 'cut \ufffd' } },
      { type: 'RoleUpdated' },
      { data: { description: '\ufffd' } },
      { type: 'ClientUpdated' },
      { data: { target: 'bucket/\ufffd' } },
    ]);
    for (const what of ['clients', 'roles']) {
      const { stdout } = await runCommand(['export', what], env);
      const [first] = readable(stdout) as object[];
      expect(first).toMatchObject({ description: expect.stringContaining('\ufffd') });
    }
    const bus = memoryMessageBus();
    const { eventStore, readStore } = service.service.stores;
    const publisher = startPublisher({
      eventStore,
      readStore,
      bus,
      log: pino({ level: 'silent' }),
      holder: 'h',
    });
    while ((await readStore.checkpoint(PUBLISHER_TABLE)) !== (await eventStore.head())) await sleep(10);
    await publisher.stop();
    expect(bus.published.length).toBeGreaterThan(notWellFormed.length);
    for (const { value } of bus.published) readable(value);
    expect(storedIn(env.DATA_DIR)).toEqual(stored);
  });

  test('can be changed, and what is so already is no change', async () => {
    const path = `${service.rootUrl}/api/auth/v1/roles/cut`;
    const head = await service.service.core.eventStore.head();
    const same = { description: '\ufffd and \ufffd, 😀 and \\ud83d', scopes: ['a', 'b'] };
    expect((await signedFetch(path, ROOT, { method: 'POST', body: same })).status).toBe(200);
    expect(await service.service.core.eventStore.head()).toBe(head);
    const client = { description: 'mended', expires: '2031-01-01T00:00:00.000Z' };
    const changed = await service.current()['updateClient']!('cut', client);
    expect(changed).toMatchObject({ description: 'mended', scopes: [] });
  });

  test('is copied as it is stored, to the byte', async () => {
    const to = join(folder, 'copy');
    const copied = await runCommand(
      ['copy', '--from', `sqlite:${env.DATA_DIR}`, '--to', `sqlite:${to}`],
      env,
    );
    expect(copied.stdout).toMatch(/events are the same in both logs/);
    expect(storedIn(to)).toEqual(stored);
  });
});
