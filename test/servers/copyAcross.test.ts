import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Recorded } from '../../src/event.ts';
import type { Message } from '../../src/messageBus/messageBus.ts';
import { messagesOf } from '../../src/messageBus/messagesOf.ts';
import { PUBLISHER_TABLE } from '../../src/publisher/publish.ts';
import { take } from '../contracts/eventStore.ts';
import { byKey } from '../contracts/messageBus.ts';
import { exported } from '../exported.ts';
import { inStores, logIn, withoutPositions } from '../inStores.ts';
import { readTopic } from './kafkaTopic.ts';
import { untilPublished } from './publisherAt.ts';
import { runCommand, startCommand } from '../runCommand.ts';
import { startSharedServers } from './sharedServers.ts';
import { minutesFromNow, ROOT, startService, STATIC_CLIENTS, type TestService } from '../startService.ts';
import { whereServersRun } from './whereServersRun.ts';
import { checkAll, type Known, write } from '../writers.ts';

type Env = Record<string, string>;

const folder = mkdtempSync(join(tmpdir(), 'authledger-across-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const ROLE = 'always-changed';
const BACK = 'comes/back';
const FIRST = join(folder, 'first');
const LAST = join(folder, 'last');
const COPY_THERE = ['copy', '--from', `sqlite:${FIRST}`, '--to', 'env:EVENT_STORE_URL'];
const COPY_BACK = ['copy', '--from', 'env:EVENT_STORE_URL', '--to', `sqlite:${LAST}`];

/** A service moves from SQLite to the servers that several nodes share, and back, while Kafka stays. */
whereServersRun(['ferretdb', 'kafka'], 'authledger copy, to other stores and back', () => {
  let servers: Awaited<ReturnType<typeof startSharedServers>>;
  const known = new Map<string, Known>();
  const first = { DATA_DIR: FIRST, STATIC_CLIENTS };
  let shared: Env;
  let last: Env;
  /** What was answered before anything was copied. */
  let before: object;

  async function inService<T>(env: Env, use: (service: TestService) => Promise<T>): Promise<T> {
    const service = await startService(env, folder);
    try {
      return await use(service);
    } finally {
      await service.stop();
    }
  }

  /** Many changes: lives of so many clients, those of a role among them, and a client that is there again each time. */
  function live(env: Env, name: string, clients: number): Promise<void> {
    return inService(env, async (service) => {
      const auth = service.current();
      let begun = 0;
      const target = { rootUrl: () => service.rootUrl, isOver: () => (begun += 1) > clients };
      async function changeRole(): Promise<void> {
        await auth['deleteRole']!(ROLE);
        await auth['createRole']!(ROLE, { description: name, scopes: [] });
        for (let i = 0; i < clients; i += 1)
          await auth['updateRole']!(ROLE, { description: `é ${name} ${i}`, scopes: [`s:${i}`] });
      }
      async function comeBack(): Promise<void> {
        await auth['deleteClient']!(BACK);
        const settings = { description: name, expires: minutesFromNow(600), scopes: ['auth:current-scopes'] };
        const { accessToken } = (await auth['createClient']!(BACK, settings)) as { accessToken: string };
        const certain = { description: name, disabled: false, accessToken };
        known.set(BACK, { clientId: BACK, certain, inDoubt: false });
      }
      const writers = ['a', 'b'].map((writer) => write(target, known, `${name}/${writer}`));
      await Promise.all([...writers, changeRole(), comeBack()]);
      if (env['KAFKA_BROKERS'] !== undefined) await untilPublished(service.rootUrl);
    });
  }

  /** What is answered over some stores: every client and role, their histories, and each client's own token is taken. */
  async function answersOf(env: Env): Promise<object> {
    const histories = await inService(env, async (service) => {
      await checkAll(service.rootUrl, known.values());
      const auth = service.current();
      const of = (type: string, id: string) => auth['getEntityHistory']!(type, id, { limit: 1000 });
      const clients = await Promise.all([...known.keys()].map((clientId) => of('client', clientId)));
      const all = await auth['listAuditHistory']!(ROOT.clientId, { limit: 1000 });
      return { clients, role: await of('role', ROLE), all };
    });
    return { histories, exported: await exported(env) };
  }

  /** The last event that was published, and how many wait. */
  function publishedIn(env: Env): Promise<{ id: string; waiting: number }> {
    return inStores(env, async ({ eventStore, readStore }) => {
      const checkpoint = (await readStore.checkpoint(PUBLISHER_TABLE))!;
      expect(checkpoint.split('.')[0]).toBe(eventStore.logId);
      const events = await take(eventStore);
      const published = events.filter(({ position }) => position <= checkpoint);
      return { id: published.at(-1)!.id, waiting: events.length - published.length };
    });
  }

  /** Consumers had each event of the log once, in order per key, whichever stores it was published from. */
  async function expectPublishedOnce(log: readonly Recorded[]): Promise<void> {
    const idsByKey = (messages: readonly Pick<Message, 'key' | 'headers'>[]) =>
      Object.entries(byKey(messages))
        .map(([key, of]) => [key, ...of.map(({ headers }) => headers['event-id'])])
        .sort();
    const expected = log.flatMap((event) => messagesOf(event as Recorded<never>));
    const published = await readTopic(servers.kafka.address, 'authledger.events');
    expect(idsByKey(published)).toEqual(idsByKey(expected.filter(({ topic }) => topic === 'events')));
  }

  /** Copies, and is killed once the log on the other side has come to so many events, before it is told so. */
  async function copyUntil(count: number): Promise<void> {
    const { faults, log } = servers.kurrent;
    const child = startCommand(COPY_THERE, shared);
    faults.beforeReply = () => {
      if (log.events.length >= count) child.kill('SIGKILL');
    };
    await once(child, 'exit');
    faults.beforeReply = undefined;
    expect(child.signalCode).toBe('SIGKILL');
  }

  beforeAll(async () => {
    servers = await startSharedServers();
    shared = servers.env;
    last = { DATA_DIR: LAST, SECRET_KEYS: servers.env.SECRET_KEYS, STATIC_CLIENTS };
    await live({ ...first, KAFKA_BROKERS: servers.kafka.address }, 'first', 40);
    await live(first, 'later', 60);
    before = await answersOf(first);
  }, 120_000);
  afterAll(() => servers?.remove(), 60_000);

  test('killed in the middle of an append, it goes on there; events, and how far they are published, are the same', async () => {
    const log = await logIn(first);
    expect(log.length).toBeGreaterThan(400);
    for (const part of [1 / 3, 2 / 3]) {
      await copyUntil(part * log.length);
      expect(servers.kurrent.log.events.length).toBeGreaterThanOrEqual(part * log.length);
      expect(servers.kurrent.log.events.length).toBeLessThan((part + 0.3) * log.length);
    }
    const { stdout, code } = await runCommand(COPY_THERE, shared);
    expect(stdout).toMatch(`${log.length} events are the same in both logs`);
    expect(code).toBe(0);
    expect(withoutPositions(await logIn(shared))).toEqual(withoutPositions(log));
    const published = await publishedIn(first);
    expect(published.waiting).toBeGreaterThan(200);
    expect(await publishedIn(shared)).toEqual(published);
  }, 120_000);

  test('a node on the copy gives the same answers, and publishes what was not published yet', async () => {
    expect(await answersOf(shared)).toEqual(before);
    await live({ ...shared, KAFKA_BROKERS: servers.kafka.address }, 'moved', 30);
    await expectPublishedOnce(await logIn(shared));
  }, 120_000);

  test('copied back, with the changes that were made there, the answers are the same again', async () => {
    const answers = await answersOf(shared);
    expect(answers).not.toEqual(before);
    const { code } = await runCommand(COPY_BACK, shared);
    expect(code).toBe(0);
    expect(withoutPositions(await logIn(last))).toEqual(withoutPositions(await logIn(shared)));
    expect(await publishedIn(last)).toEqual({ ...(await publishedIn(shared)), waiting: 0 });
    expect(await answersOf(last)).toEqual(answers);
    await live({ ...last, KAFKA_BROKERS: servers.kafka.address }, 'back', 5);
    await expectPublishedOnce(await logIn(last));
  }, 120_000);
});
