import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { rawRequest } from '../rawRequest.ts';
import { rounds } from '../rounds.ts';
import { end, runCommand, startServer } from '../runCommand.ts';
import { authorizationFor } from '../signed.ts';
import { type Credentials, minutesFromNow, ROOT, STATIC_CLIENTS } from '../startService.ts';

const WORKERS = 3;
const ROUNDS = rounds(10, 30);
const RESETS = rounds(40, 200);
/** A connection of its own, to whichever worker. */
const ANY = { agent: false } as const;

/** A connection that is kept open, and the process at its other end. */
type Connection = { pid: number; agent: Agent };
type Call = { method?: string; path: string; body?: object; credentials?: Credentials };

let env: Record<string, string>;
let service: Awaited<ReturnType<typeof startServer>>;
const agents: Agent[] = [];
function prepare(): void {
  const dataDir = mkdtempSync(join(tmpdir(), 'authledger-workers-'));
  env = { DATA_DIR: dataDir, STATIC_CLIENTS, READ_ACCESS: 'guarded', WORKERS: String(WORKERS) };
}
function hangUp(): void {
  for (const agent of agents.splice(0)) agent.destroy();
}
async function clear(): Promise<void> {
  hangUp();
  if (service) await end(service.child);
  rmSync(env['DATA_DIR']!, { recursive: true, force: true });
}

async function until(isSo: () => boolean): Promise<void> {
  for (const started = Date.now(); !isSo(); await sleep(10))
    if (Date.now() - started > 15_000) throw new Error(`not so after 15 s: ${String(isSo)}`);
}

/** The process that answered, for each request so far. */
const answeredBy = (): number[] =>
  [...service.output().matchAll(/"pid":(\d+),"requestId"/g)].map(([, pid]) => Number(pid));

/** Resolves with the status and the body of the reply. */
async function ask(
  { agent }: { agent: Agent | false },
  { method = 'GET', path, body, credentials = ROOT }: Call,
) {
  const url = `${service.rootUrl}/api/auth/v1${path}`;
  const headers = {
    authorization: authorizationFor(url, method, credentials),
    'content-type': 'application/json',
  };
  const reply = await rawRequest(url, { method, headers, body: body && JSON.stringify(body), agent });
  return { status: reply.status, body: reply.body as Record<string, unknown> };
}

/** A connection to each of the workers. */
async function connectToAll(): Promise<Connection[]> {
  const connections = new Map<number, Connection>();
  for (let tries = 0; connections.size < WORKERS && tries < 10 * WORKERS; tries += 1) {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    agents.push(agent);
    const before = answeredBy().length;
    await ask({ agent }, { path: '/ping' });
    await until(() => answeredBy().length > before);
    const pid = answeredBy().at(-1)!;
    connections.set(pid, { pid, agent });
  }
  return [...connections.values()];
}

/** A request whose body is not sent yet, and which a worker has begun to read. */
async function beginRequest(): Promise<ClientRequest> {
  const url = `${service.rootUrl}/api/auth/v1/scopes/expand`;
  const headers = {
    authorization: authorizationFor(url, 'POST', ROOT),
    'content-type': 'application/json',
    expect: '100-continue',
  };
  const request = httpRequest(url, { method: 'POST', headers, agent: false });
  request.flushHeaders();
  await once(request, 'continue');
  return request;
}

async function statusOf(request: ClientRequest): Promise<number> {
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode!;
}

/** Resolves with its exit code once the process, and all that it started, are gone: they all hold its output. */
async function allGone(child: ChildProcess): Promise<number | null> {
  const [code] = (await once(child, 'close')) as [number | null];
  return code;
}

describe('several workers', () => {
  beforeAll(async () => {
    prepare();
    service = await startServer(env);
  });
  afterEach(hangUp);
  afterAll(clear);

  test('see at once what was changed through another one', async () => {
    const connections = await connectToAll();
    expect(new Set(connections.map(({ pid }) => pid)).size).toBe(WORKERS);
    let turn = 0;
    const change = async (method: string, path: string, body?: object) => {
      const reply = await ask(connections[(turn += 1) % WORKERS]!, { method, path, body });
      expect({ path, status: reply.status }).toEqual({ path, status: 200 });
      return reply.body;
    };
    const everywhere = (credentials: Credentials) =>
      Promise.all(connections.map((each) => ask(each, { path: '/scopes/current', credentials })));
    const role = (scope: string) => ({ description: '', scopes: ['auth:current-scopes', scope] });
    const settings = { description: '', expires: minutesFromNow(60), scopes: ['assume:team'] };
    await change('PUT', '/roles/team', role('round:none'));
    for (let round = 0; round < ROUNDS; round += 1) {
      const path = `/clients/round-${round}`;
      const made = (await change('PUT', path, settings)) as unknown as Credentials;
      for (const { status } of await everywhere(made)) expect(status).toBe(200);

      await change('POST', '/roles/team', role(`round:${round}`));
      const scopes = ['assume:anonymous', 'assume:team', 'auth:current-scopes', `round:${round}`];
      for (const reply of await everywhere(made)) expect(reply).toEqual({ status: 200, body: { scopes } });

      const reset = (await change('POST', `${path}/reset`)) as unknown as Credentials;
      for (const { status } of await everywhere(made)) expect(status).toBe(401);
      for (const { status } of await everywhere(reset)) expect(status).toBe(200);

      await change('POST', `${path}/disable`);
      for (const { status } of await everywhere(reset)) expect(status).toBe(401);
    }
    // Of refused signatures, not each has a line.
    const answered = answeredBy();
    for (const { pid } of connections)
      expect(answered.filter((each) => each === pid).length).toBeGreaterThan(3 * ROUNDS);
  });

  test('accept or refuse a token that another one is just replacing', async () => {
    const [first, ...others] = await connectToAll();
    const settings = { description: '', expires: minutesFromNow(60), scopes: ['auth:current-scopes'] };
    for (let round = 0; round < RESETS; round += 1) {
      const path = `/clients/reset-${round}`;
      const credentials = (await ask(first!, { method: 'PUT', path, body: settings })).body as never;
      let isReset = false;
      const reset = ask(first!, { method: 'POST', path: `${path}/reset` }).finally(() => (isReset = true));
      const asking = others.map(async (each) => {
        await sleep(Math.random() * 8); // so that some ask for the first time just when the old token goes
        while (!isReset)
          expect([200, 401]).toContain((await ask(each, { path: '/scopes/current', credentials })).status);
      });
      await Promise.all([reset, ...asking]);
    }
  });

  test('create the same client at the same time, and give one token', async () => {
    const connections = await connectToAll();
    const body = { description: '', expires: minutesFromNow(60), scopes: ['auth:current-scopes'] };
    for (let round = 0; round < ROUNDS; round += 1) {
      const path = `/clients/same-${round}`;
      const replies = await Promise.all(connections.map((each) => ask(each, { method: 'PUT', path, body })));
      const made = replies.map(({ status, body: { accessToken } }) => ({ status, accessToken }));
      expect(made).toEqual(made.map(() => ({ status: 200, accessToken: made[0]!.accessToken })));
      const credentials = { clientId: `same-${round}`, accessToken: made[0]!.accessToken as string };
      for (const each of connections)
        expect((await ask(each, { path: '/scopes/current', credentials })).status).toBe(200);
    }
  });

  test('change roles at the same time, and lose none', async () => {
    const connections = await connectToAll();
    const before = ((await ask(connections[0]!, { path: '/roles/' })).body as unknown as object[]).length;
    const body = { description: '', scopes: ['a'] };
    const create = async (i: number): Promise<number> => {
      const { status } = await ask(connections[i % WORKERS]!, { method: 'PUT', path: `/roles/r-${i}`, body });
      return status === 503 ? create(i) : status;
    };
    const statuses = await Promise.all(Array.from({ length: ROUNDS }, (_, i) => create(i)));
    expect(new Set(statuses)).toEqual(new Set([200]));
    for (const each of connections)
      expect((await ask(each, { path: '/roles/' })).body).toHaveLength(before + ROUNDS);
  });
});

describe('several workers', () => {
  beforeEach(prepare);
  afterEach(clear);

  test('go on when one of them is killed, and another one takes its place', async () => {
    service = await startServer(env);
    const before = (await connectToAll()).map(({ pid }) => pid);
    process.kill(before[0]!, 'SIGKILL');
    await until(() => service.output().includes(`"worker":${before[0]}`));
    const isNew = (pid: number): boolean => !before.includes(pid);
    while (!answeredBy().some(isNew)) {
      expect((await ask(ANY, { path: '/ping' })).status).toBe(200);
      await sleep(20);
    }
    const body = { description: '', scopes: ['a'] };
    expect((await ask(ANY, { method: 'PUT', path: '/roles/after', body })).status).toBe(200);
    const after = await connectToAll();
    expect(after.map(({ pid }) => pid)).toEqual(expect.arrayContaining(before.slice(1)));
    expect(after.map(({ pid }) => pid).filter(isNew)).toHaveLength(1);
    for (const each of after) expect((await ask(each, { path: '/roles/after' })).status).toBe(200);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    'answer what is under way and end, all of them, at %s',
    async (signal) => {
      service = await startServer(env);
      const requests = await Promise.all(Array.from({ length: WORKERS }, beginRequest));
      const gone = allGone(service.child);
      service.child.kill(signal);
      await until(() => service.output().split('a worker stops').length > WORKERS);
      await expect(fetch(service.rootUrl)).rejects.toThrow();
      const statuses = requests.map(statusOf);
      for (const request of requests) request.end('{"scopes":[]}');
      expect(await Promise.all(statuses)).toEqual([200, 200, 200]);
      expect(await gone).toBe(0);
    },
  );

  test('answer what is under way and end when the process that started them is killed', async () => {
    service = await startServer(env);
    const requests = await Promise.all(Array.from({ length: WORKERS }, beginRequest));
    const gone = allGone(service.child);
    service.child.kill('SIGKILL');
    await until(() => service.output().split('a worker stops').length > WORKERS);
    const statuses = requests.map(statusOf);
    for (const request of requests) request.end('{"scopes":[]}');
    expect(await Promise.all(statuses)).toEqual([200, 200, 200]);
    await gone;
  });

  test('that cannot start end the service, with the reason', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const PORT = String((other.address() as AddressInfo).port);
    const { code, stderr } = await runCommand(['serve'], { ...env, PORT });
    other.close();
    expect(code).toBe(1);
    expect(stderr).toMatch(/EADDRINUSE[^]*a worker could not start/);
  });
});
