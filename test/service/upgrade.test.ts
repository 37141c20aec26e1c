import { createHash, randomUUID } from 'node:crypto';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { actorHistory } from '../../projections/actorHistory.ts';
import type { NewEvent } from '../../src/event.ts';
import type { Stores } from '../../src/compose.ts';
import { approximateProgress } from '../../src/eventStore/position.ts';
import { clientStream } from '../../src/eventStore/streams.ts';
import { tableOf } from '../../src/projection.ts';
import { allProjections } from '../../src/readSide/projector.ts';
import { draftTableOf, rebuild } from '../../src/readSide/rebuild.ts';
import { holdLease } from '../../src/readStore/lease.ts';
import { metadata } from '../contracts/eventStore.ts';
import { inStores } from '../inStores.ts';
import { rounds } from '../rounds.ts';
import { end, startServer } from '../runCommand.ts';
import { authorizationFor, signedFetch } from '../signed.ts';
import { type Credentials, minutesFromNow, ROOT, STATIC_CLIENTS } from '../startService.ts';

const COUNT = rounds(15_000, 1_000_000);
const EVENTS_PER_APPEND = 500;
/** What a process may take at most while it builds, in MiB: a million rows of four tables would take some thousands. */
const MAX_RESIDENT = 512;
/** The tables that the release before has as well: all others are new, or have a new version. */
const authorizing = allProjections.slice(0, 2);
const draft = draftTableOf(actorHistory);
/** A table of the release before that this one has in another version. */
const FORMER_TABLE = 'role-history-v1';
const formerRow = { key: 'r\n1', value: { actionType: 'created' }, position: '' };

const dataDir = mkdtempSync(join(tmpdir(), 'authledger-upgrade-'));
const env = { DATA_DIR: dataDir, STATIC_CLIENTS, READ_ACCESS: 'guarded', RATE_LIMIT: 'off' };
const running = new Set<ChildProcess>();
afterAll(async () => {
  for (const child of running) await end(child, 'SIGKILL');
  rmSync(dataDir, { recursive: true, force: true });
});

type Node = Awaited<ReturnType<typeof startServer>>;

async function startNode(): Promise<Node> {
  const node = await startServer(env);
  running.add(node.child);
  return node;
}

/** A log, and the tables that the release before has made of it. */
async function makeFormerFiles({ eventStore, readStore }: Stores): Promise<void> {
  for (let from = 0; from < COUNT; from += EVENTS_PER_APPEND) {
    const writes = Array.from({ length: EVENTS_PER_APPEND }, (_, i) => {
      const clientId = `made/${String(from + i).padStart(7, '0')}`;
      const data = {
        clientId,
        description: 'made before the upgrade',
        expires: '2099-01-01T00:00:00.000Z',
        deleteOnExpiration: false,
        scopes: [`project:p${from + i}:*`],
        credential: { id: '00000000-0000-4000-8000-000000000000', fingerprint: '0123456789abcdef' },
      };
      const events = [{ type: 'ClientCreated', data, id: randomUUID() }] as NewEvent[];
      return { stream: clientStream(clientId), expectedRevision: 'none' as const, events };
    });
    await eventStore.append(writes, metadata);
  }
  await rebuild(authorizing, { eventStore, readStore });
  await readStore.commit(FORMER_TABLE, [formerRow], await eventStore.head());
}

const api = ({ rootUrl }: Node, path: string): string => `${rootUrl}/api/auth/v1${path}`;

async function authenticates(node: Node, { clientId, accessToken }: Credentials): Promise<boolean> {
  const authorization = authorizationFor('http://other.example:80/', 'GET', { clientId, accessToken });
  const body = { method: 'get', resource: '/', host: 'other.example', port: 80, authorization };
  const reply = await signedFetch(api(node, '/authenticate-hawk'), ROOT, { method: 'POST', body });
  expect(reply.status).toBe(200);
  return String(reply.body['status']) === 'auth-success';
}

async function createClient(node: Node, clientId: string): Promise<Credentials> {
  const body = { description: '', expires: minutesFromNow(60), scopes: ['during:the-build'] };
  const path = `/clients/${encodeURIComponent(clientId)}`;
  const reply = await signedFetch(api(node, path), ROOT, { method: 'PUT', body });
  expect(reply.status).toBe(200);
  return { clientId, accessToken: reply.body['accessToken']! };
}

/** What a method that needs a new table answers: its entries, or how far (percent) the table has come. */
async function askForChanges(node: Node): Promise<{ percent: number } | { changed: unknown[] }> {
  const url = `${node.rootUrl}/api/authledger/v1/history?actor=${ROOT.clientId}`;
  const response = await fetch(url, { headers: { authorization: authorizationFor(url, 'GET', ROOT) } });
  const body = (await response.json()) as { message: string; entries: { entity: { id: string } }[] };
  if (response.status === 200) return { changed: body.entries.map(({ entity }) => entity.id) };
  expect(response.status).toBe(503);
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  const [, percent] =
    /^the table actor-history-v\d+ is being built from the log and has come to (\d+) %/.exec(body.message) ??
    [];
  expect(percent).toBeDefined();
  return { percent: Number(percent) };
}

/** The most memory (MiB) that a process has had so far; 0 where the system does not tell. */
function mostResident({ child }: Node): number {
  const file = `/proc/${child.pid}/status`;
  if (!existsSync(file)) return 0;
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(file, 'utf8'))![1]) / 1024;
}

/** What is in the tables, as a digest: all rows at once would not fit into memory. */
async function digests({ readStore }: Stores): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const projection of allProjections) {
    const table = tableOf(projection);
    const hash = createHash('sha256');
    let after: string | undefined;
    do {
      const { rows, last } = await readStore.list(table, { after, limit: 1000 });
      // Where all events make the same of a row, it has the position of any of them.
      for (const { position, ...row } of rows)
        hash.update(JSON.stringify(projection.hasConstantRows ? row : { ...row, position }));
      after = last;
    } while (after !== undefined);
    all[table] = hash.digest('hex');
  }
  return all;
}

beforeAll(() => inStores(env, makeFormerFiles), 900_000);

test(`on the files of the release before, which still runs, a node serves at once and builds its tables of ${COUNT} clients beside that, through a crash`, async () => {
  await inStores(env, async (stores) => {
    const { eventStore, readStore } = stores;
    const former = holdLease({ readStore, name: 'projections', holder: 'of the release before' });
    // Whoever has this lease builds: so it is certain what the node answers before.
    const building = holdLease({ readStore, name: `rebuild ${actorHistory.name}`, holder: 'the test' });
    while (!former.isHeld() || !building.isHeld()) await sleep(10);

    let node = await startNode();
    expect(await authenticates(node, ROOT)).toBe(true);
    expect(await askForChanges(node)).toHaveProperty('percent');
    const before = await createClient(node, 'during/before-the-crash');
    expect(await authenticates(node, before)).toBe(true);
    await building.release();
    const share = rounds(0.2, 0.6);
    while (approximateProgress((await readStore.checkpoint(draft)) ?? eventStore.start) < share * COUNT)
      await sleep(5);
    expect(await readStore.checkpoint(tableOf(actorHistory))).toBeUndefined();
    expect(mostResident(node)).toBeLessThan(MAX_RESIDENT);
    await end(node.child, 'SIGKILL');

    node = await startNode();
    expect(await authenticates(node, before)).toBe(true);
    expect(await askForChanges(node)).toHaveProperty('percent');
    const after = await createClient(node, 'during/after-the-crash');
    let answer = await askForChanges(node);
    for (; 'percent' in answer; answer = await askForChanges(node)) {
      expect(await authenticates(node, after)).toBe(true);
      await sleep(rounds(50, 1000));
    }
    expect(answer.changed).toEqual(expect.arrayContaining([before.clientId, after.clientId]));
    expect(mostResident(node)).toBeLessThan(MAX_RESIDENT);
    expect(former.isHeld()).toBe(true);
    await end(node.child);

    const head = await eventStore.head();
    for (const table of allProjections.map(tableOf)) expect(await readStore.checkpoint(table)).toBe(head);
    expect(await readStore.get(FORMER_TABLE, formerRow.key)).toEqual(formerRow);
    const built = await digests(stores);
    await rebuild(allProjections, stores);
    expect(await digests(stores)).toEqual(built);
    await former.release();
  });
}, 1_800_000);
