import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { ClientEvent } from '../../schemas/events/clientEvents.ts';
import { disableClient } from '../../commands/disableClient.ts';
import { systemContext } from '../../src/writeSide/systemContext.ts';
import { allProjections } from '../../src/readSide/projector.ts';
import { tableOf } from '../../src/projection.ts';
import { rebuild } from '../../src/readSide/rebuild.ts';
import { clientSubject } from '../../src/writeSide/subjects.ts';
import { take } from '../contracts/eventStore.ts';
import { sharedStores, type TestNode } from '../sharedStores.ts';
import { authorizationFor, type Reply, signedFetch } from '../signed.ts';
import { type Credentials, minutesFromNow, ROOT } from '../startService.ts';
import { rowsOf } from '../allRows.ts';

const running = new Set<TestNode>();
afterEach(async () => {
  const nodes = [...running];
  running.clear();
  for (const { link } of nodes) Object.assign(link, { lag: 0, isLogCut: false, isReadCut: false });
  await Promise.all(nodes.map((node) => node.stop()));
});

let shared: ReturnType<typeof sharedStores>;
async function start(count: number, env: Record<string, string> = {}): Promise<TestNode[]> {
  shared = sharedStores();
  return startMore(count, env);
}
async function startMore(count: number, env: Record<string, string> = {}): Promise<TestNode[]> {
  const nodes = await Promise.all(Array.from({ length: count }, () => shared.startNode(env)));
  for (const node of nodes) running.add(node);
  return nodes;
}

const at = ({ rootUrl }: TestNode, path: string): string => `${rootUrl}/api/auth/v1${path}`;
const clientAt = (node: TestNode, clientId: string, verb = ''): string =>
  at(node, `/clients/${encodeURIComponent(clientId)}${verb}`);
const currentScopes = (node: TestNode, client: Credentials): Promise<Reply> =>
  signedFetch(at(node, '/scopes/current'), client);

async function create(node: TestNode, clientId: string): Promise<Credentials> {
  const body = { description: '', expires: minutesFromNow(60), scopes: ['auth:current-scopes'] };
  const reply = await signedFetch(clientAt(node, clientId), ROOT, { method: 'PUT', body });
  expect(reply.status).toBe(200);
  return { clientId, accessToken: reply.body['accessToken']! };
}

async function change(node: TestNode, clientId: string, verb: string): Promise<number> {
  return (await signedFetch(clientAt(node, clientId, verb), ROOT, { method: 'POST' })).status;
}

async function until(condition: () => boolean | Promise<boolean>, within = 10_000): Promise<void> {
  for (const end = Date.now() + within; !(await condition()); await sleep(20))
    if (Date.now() > end) throw new Error(`it did not come to be within ${within} ms`);
}

/** The tables are what a rebuild makes of the log, once whoever writes them has caught up. */
async function expectTablesOfTheLog(): Promise<void> {
  const head = await shared.eventStore.head();
  const tables = allProjections.map(tableOf);
  await until(async () => {
    const checkpoints = await Promise.all(tables.map((table) => shared.readStore.checkpoint(table)));
    return checkpoints.every((checkpoint) => checkpoint === head);
  });
  const rows = (): Promise<unknown[]> => rowsOf(shared.readStore, allProjections);
  const written = await rows();
  await rebuild(allProjections, shared);
  expect(await rows()).toEqual(written);
}

describe('several nodes', () => {
  test('see a change through any of them', async () => {
    const [one, two, three] = (await start(3)) as [TestNode, TestNode, TestNode];
    for (let i = 0; i < 10; i += 1) {
      const client = await create(one, `shared/${i}`);
      await until(async () => (await currentScopes(two, client)).status === 200, 2000);
      expect(await change(two, client.clientId, '/disable')).toBe(200);
      await until(async () => (await currentScopes(three, client)).status === 401, 2000);
      await until(async () => (await currentScopes(one, client)).status === 401, 2000);
    }
    await expectTablesOfTheLog();
  });

  test('answer at the position that a request asks for, however late the change reaches them', async () => {
    const [one, two] = (await start(2)) as [TestNode, TestNode];
    const client = await create(one, 'late');
    two.link.lag = 400;
    for (const verb of ['/disable', '/enable', '/disable']) {
      const changed = clientAt(one, client.clientId, verb);
      const { headers } = await fetch(changed, {
        method: 'POST',
        headers: { authorization: authorizationFor(changed, 'POST', ROOT) },
      });
      const url = clientAt(two, client.clientId);
      const authorization = authorizationFor(url, 'GET', ROOT);
      const atLeast = headers.get('auth-position')!;
      const response = await fetch(url, { headers: { authorization, 'auth-at-least': atLeast } });
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ disabled: verb === '/disable' });
    }
  });

  test('let no caller wait with so many requests that others cannot', async () => {
    const [one, two] = (await start(2, { MAX_STALENESS: '20s' })) as [TestNode, TestNode];
    const client = await create(one, 'waiting');
    await until(async () => (await currentScopes(two, client)).status === 200);
    two.link.lag = 2000;
    const role = await fetch(at(one, '/roles/awaited'), {
      method: 'PUT',
      headers: {
        authorization: authorizationFor(at(one, '/roles/awaited'), 'PUT', ROOT),
        'content-type': 'application/json',
      },
      body: JSON.stringify({ description: '', scopes: [] }),
    });
    const atLeast = role.headers.get('auth-position')!;
    const url = `${two.rootUrl}/v1/roles/awaited`;
    const ask = async (authorization?: string): Promise<number> => {
      const headers = { 'auth-at-least': atLeast, ...(authorization !== undefined && { authorization }) };
      const response = await fetch(url, { headers });
      await response.text();
      return response.status;
    };
    const unsigned = Array.from({ length: 130 }, () => ask());
    while (!two.logged().includes('"status":429')) await sleep(10);
    const signed = Array.from({ length: 5 }, () => ask(authorizationFor(url, 'GET', client)));
    const statuses = await Promise.all(unsigned);
    expect(statuses.filter((status) => status === 200)).toHaveLength(100);
    expect(statuses.filter((status) => status === 429)).toHaveLength(30);
    expect(await Promise.all(signed)).toEqual(Array(5).fill(200));
  });

  test('judge a change on the log where they lag, and not on what they hold', async () => {
    const [node, late] = (await start(2, { MAX_STALENESS: '30s' })) as [TestNode, TestNode];
    for (const clientId of ['again', 'disabled']) await create(node, clientId);
    expect(await change(node, 'again', '/disable')).toBe(200);
    await until(async () => (await signedFetch(clientAt(late, 'again'), ROOT)).body['disabled'] === true);
    late.link.lag = 500;

    // What another node enabled again is disabled, and what it has just created is deleted.
    expect(await change(node, 'again', '/enable')).toBe(200);
    expect(await change(late, 'again', '/disable')).toBe(200);
    await create(node, 'just-created');
    const { status } = await signedFetch(clientAt(late, 'just-created'), ROOT, { method: 'DELETE' });
    expect(status).toBe(204);
    // What another node deleted cannot be changed.
    await signedFetch(clientAt(node, 'disabled'), ROOT, { method: 'DELETE' });
    expect(await change(late, 'disabled', '/disable')).toBe(404);

    late.link.lag = 0;
    const state = async (clientId: string) => {
      const { status, body } = await signedFetch(clientAt(node, clientId), ROOT);
      return status === 200 ? body['disabled'] : status;
    };
    expect(await Promise.all(['again', 'just-created', 'disabled'].map(state))).toEqual([true, 404, 404]);
  });

  test('change the same client at the same time, one of them behind, and lose no change', async () => {
    const [node, late] = (await start(2, { MAX_STALENESS: '30s' })) as [TestNode, TestNode];
    await create(node, 'both');
    late.link.lag = 100;
    for (let round = 0; round < 5; round += 1) {
      const [description, verb] = [`round ${round}`, round % 2 === 0 ? '/disable' : '/enable'];
      const body = { description, expires: minutesFromNow(60) };
      const [updated, changed] = await Promise.all([
        signedFetch(clientAt(node, 'both'), ROOT, { method: 'POST', body }),
        change(late, 'both', verb),
      ]);
      expect([updated.status, changed]).toEqual([200, 200]);
      await until(async () => {
        const { body: held } = await signedFetch(clientAt(late, 'both'), ROOT);
        return held['description'] === description && held['disabled'] === (round % 2 === 0);
      });
    }
  });

  test('refuse a position beyond the log at once, and do not take it for one that is to come', async () => {
    const [, two] = (await start(2)) as [TestNode, TestNode];
    two.link.lag = 2000;
    const far = `${shared.eventStore.logId}.${'9'.repeat(20)}`;
    const reply = await fetch(`${two.rootUrl}/v1/roles/`, { headers: { 'auth-at-least': far } });
    expect(reply.status).toBe(400);
  });

  test('give the token of a client that another one created just now, where its creation is sent again', async () => {
    const nodes = await start(2);
    const writes = (node: TestNode): boolean => node.service.core.projector.isWriter();
    await until(() => nodes.filter(writes).length === 1);
    // Late is the one that writes the tables: it cannot learn from them what it does not hold yet.
    const two = nodes.find(writes)!;
    const one = nodes.find((node) => node !== two)!;
    two.link.lag = 400;
    const body = { description: '', expires: minutesFromNow(60), scopes: ['auth:current-scopes'] };
    for (const clientId of ['again/1', 'again/2']) {
      const first = await signedFetch(clientAt(one, clientId), ROOT, { method: 'PUT', body });
      const second = await signedFetch(clientAt(two, clientId), ROOT, { method: 'PUT', body });
      expect([first.status, second.status]).toEqual([200, 200]);
      const accessToken = second.body['accessToken']!;
      expect(accessToken).toBe(first.body['accessToken']);
      expect((await currentScopes(two, { clientId, accessToken })).status).toBe(200);
    }
  });

  test('that start together configure the static clients once, and do so again when a token changes', async () => {
    const nodes = await start(3);
    const ofRoot = async (): Promise<string[]> =>
      (await take(shared.eventStore))
        .filter(({ data }) => (data as ClientEvent['data']).clientId === ROOT.clientId)
        .map(({ type }) => type);
    expect(await ofRoot()).toEqual(['ClientCreated']);
    for (const node of nodes) await node.stop();
    running.clear();
    const next = { ...ROOT, accessToken: 'another-token-of-the-tests-0123456789' };
    const env = {
      STATIC_CLIENTS: JSON.stringify([{ ...next, description: 'root of the tests', scopes: ['*'] }]),
    };
    const again = await startMore(3, env);
    expect(await ofRoot()).toEqual(['ClientCreated', 'AccessTokenReset']);
    for (const node of again) {
      expect((await currentScopes(node, next)).status).toBe(200);
      expect((await currentScopes(node, ROOT)).status).toBe(401);
    }
    // The key of the fingerprints, and one token.
    expect(await shared.secretStore.list({ limit: 10 })).toHaveLength(2);
  });

  test('hand over what one of them alone does when it ends, or is cut off', async () => {
    const [one, two] = (await start(2)) as [TestNode, TestNode];
    const writers = (): TestNode[] => [one, two].filter((node) => node.service.core.projector.isWriter());
    await until(() => writers().length === 1);
    const [writer] = writers() as [TestNode];
    const other = writer === one ? two : one;
    writer.link.isReadCut = true;
    await create(other, 'meanwhile');
    await until(() => other.service.core.projector.isWriter());
    expect(writer.service.core.projector.isWriter()).toBe(false);
    writer.link.isReadCut = false;
    await expectTablesOfTheLog();
    await other.stop();
    running.delete(other);
    await until(() => writer.service.core.projector.isWriter());
  }, 40_000);
});

describe('a node that cannot reach the log', () => {
  test('answers for a while, then with 503, as its heartbeat does, and again by itself', async () => {
    const [one, two] = (await start(2)) as [TestNode, TestNode];
    const client = await create(one, 'client');
    await until(async () => (await currentScopes(two, client)).status === 200);
    two.link.isLogCut = true;
    expect((await currentScopes(two, client)).status).toBe(200);
    expect(await change(one, client.clientId, '/disable')).toBe(200);
    await until(async () => (await currentScopes(two, client)).status === 503, 4000);
    const heartbeat = await fetch(at(two, '/__heartbeat__'));
    expect(heartbeat.status).toBe(503);
    expect(await heartbeat.json()).toMatchObject({ message: expect.stringMatching(/could not prove/) });
    const hawk = await fetch(at(two, '/authenticate-hawk'), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ method: 'get', resource: '/', host: 'h', port: 80 }),
    });
    expect(hawk.status).toBe(503);
    expect((await fetch(at(two, '/ping'))).status).toBe(200);
    expect((await currentScopes(one, client)).status).toBe(401);
    two.link.isLogCut = false;
    await until(async () => (await currentScopes(two, client)).status !== 503);
    expect((await currentScopes(two, client)).status).toBe(401);
    expect((await fetch(at(two, '/__heartbeat__'))).status).toBe(200);
  });

  test('changes nothing for a caller whose rights it could not check for too long', async () => {
    const [node] = (await start(1)) as [TestNode];
    const { clientId } = await create(node, 'slow');
    const head = await shared.eventStore.head();
    const changing = node.service.core.handleCommand({
      command: disableClient,
      subject: clientSubject(clientId, node.service.core),
      input: { clientId },
      context: {
        ...systemContext('cli'),
        // As where the process is frozen between this and the append.
        async authorize() {
          node.link.isLogCut = true;
          await sleep(2100);
          node.link.isLogCut = false;
        },
      },
    });
    await expect(changing).rejects.toMatchObject({ code: 'ServiceUnavailable' });
    expect(await shared.eventStore.head()).toBe(head);
  });

  test('changes nothing, and says so', async () => {
    const [node] = (await start(1)) as [TestNode];
    node.link.isLogCut = true;
    const head = await shared.eventStore.head();
    const body = { description: '', expires: minutesFromNow(60), scopes: [] };
    const reply = await signedFetch(clientAt(node, 'new'), ROOT, { method: 'PUT', body });
    expect(reply).toMatchObject({ status: 503, body: { code: 'ServiceUnavailable' } });
    expect(await shared.eventStore.head()).toBe(head);
  });
});

describe('while the read and secret store is away', () => {
  test('what is in memory is answered, the rest is 503, nothing is wrong, and all is made good afterwards', async () => {
    const [one, two] = (await start(2)) as [TestNode, TestNode];
    const known = await create(one, 'known');
    const unknown = await create(one, 'unknown');
    await until(async () => (await currentScopes(two, known)).status === 200);
    for (const node of [one, two])
      for (const client of [known, ROOT]) expect((await currentScopes(node, client)).status).toBe(200);
    await expectTablesOfTheLog();
    await until(() => two.service.core.projector.clients.unwritten === 0);
    for (const { link } of [one, two]) link.isReadCut = true;

    expect((await currentScopes(two, known)).status).toBe(200);
    expect((await currentScopes(two, unknown)).status).toBe(503);
    expect((await signedFetch(at(two, '/clients/'), ROOT)).status).toBe(503);
    expect((await fetch(at(two, '/__heartbeat__'))).status).toBe(503);
    const body = { description: '', expires: minutesFromNow(60), scopes: [] };
    const refused = await signedFetch(clientAt(two, 'new'), ROOT, { method: 'PUT', body });
    expect(refused).toMatchObject({ status: 503, body: { code: 'ServiceUnavailable' } });

    // A change that needs no secret is made where the client is in memory, and holds everywhere.
    expect(await change(two, 'known', '/disable')).toBe(200);
    await until(async () => (await currentScopes(one, known)).status === 401);
    expect((await currentScopes(two, known)).status).toBe(401);
    const role = { description: '', scopes: ['from:a:role'] };
    const roleUrl = (node: TestNode): string => at(node, '/roles/away');
    expect((await signedFetch(roleUrl(one), ROOT, { method: 'PUT', body: role })).status).toBe(200);
    await until(async () => (await signedFetch(roleUrl(two), ROOT)).status === 200);
    // The clients that are not in memory do not keep a node from following the log.
    await sleep(2500);
    expect((await currentScopes(two, known)).status).toBe(401);

    for (const { link } of [one, two]) link.isReadCut = false;
    await until(async () => (await currentScopes(two, unknown)).status === 200);
    expect((await signedFetch(clientAt(two, 'new'), ROOT, { method: 'PUT', body })).status).toBe(200);
    await expectTablesOfTheLog();
    expect(one.logged() + two.logged()).not.toMatch(/internal error/);
  }, 40_000);

  test('a change that is in the log already is answered as one that was made', async () => {
    const [node] = (await start(1)) as [TestNode];
    const { clientId } = await create(node, 'reset');
    node.link.isReadCutByAppend = true;
    const reply = await signedFetch(clientAt(node, clientId, '/reset'), ROOT, { method: 'POST' });
    expect(reply).toMatchObject({ status: 200, body: { clientId } });
    Object.assign(node.link, { isReadCut: false, isReadCutByAppend: false });
    const client = { clientId, accessToken: reply.body['accessToken']! };
    expect((await currentScopes(node, client)).status).toBe(200);
  });

  test('a node ends in peace', async () => {
    const [node] = (await start(1)) as [TestNode];
    await until(() => node.service.core.projector.isWriter());
    node.link.isReadCut = true;
    await change(node, 'nobody', '/disable');
    running.delete(node);
    await node.stop();
  });
});
