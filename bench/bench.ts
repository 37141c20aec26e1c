import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Table from 'cli-table3';
import hawk from 'hawk';
import { type Call, load, median, type Round } from './load.ts';

/** Measures a server in a process of its own against a floor in the same run; figures are medians of interleaved rounds. */
const quick = process.argv.includes('--quick');
const ROUNDS = quick ? 3 : 7;
const ROUND_MS = quick ? 1000 : 3000;
const CONNECTIONS = 32;

const folder = (name: string): string => new URL(name, import.meta.url).pathname;
const root = { clientId: 'static/root', accessToken: 'root-token-of-the-bench-0123456789' };
const dataDir = mkdtempSync(join(tmpdir(), 'authledger-bench-'));
const children: ChildProcess[] = [];

async function start(args: string[], env: Record<string, string> = {}): Promise<number> {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.push(child);
  return new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error('a server did not start')));
    child.stdout!.on('data', (part: Buffer) => {
      const served = /"rootUrl":"http:\/\/[^"]*:(\d+)"/.exec(part.toString());
      if (served) resolve(Number(served[1]));
    });
  });
}

function sign(method: string, port: number, path: string): Record<string, string> {
  const credentials = { id: root.clientId, key: root.accessToken, algorithm: 'sha256' as const };
  const { header } = hawk.client.header(`http://127.0.0.1:${port}${path}`, method, { credentials });
  return { authorization: header, 'content-type': 'application/json' };
}

function signedCall(port: number, method: string, path: string, body?: object): Call {
  const text = body && JSON.stringify(body);
  return {
    method,
    path,
    body: text,
    headers: { ...sign(method, port, path), ...(text && { 'content-length': Buffer.byteLength(text) }) },
  };
}

/** Asks who signed a request; each is signed anew. */
function authenticateCall(path: string, signer: { clientId: string; accessToken: string }): Call {
  const credentials = { id: signer.clientId, key: signer.accessToken, algorithm: 'sha256' as const };
  const authorization = hawk.client.header('https://queue.example.com/v1/task/abc', 'GET', {
    credentials,
  }).header;
  const body = JSON.stringify({
    method: 'get',
    resource: '/v1/task/abc',
    host: 'queue.example.com',
    port: 443,
    authorization,
  });
  return {
    method: 'POST',
    path,
    body,
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
  };
}

async function once(port: number, call: Call): Promise<Record<string, never>> {
  const response = await fetch(`http://127.0.0.1:${port}${call.path}`, {
    method: call.method,
    headers: call.headers as Record<string, string>,
    body: call.body,
  });
  if (!response.ok) throw new Error(`${call.method} ${call.path}: ${await response.text()}`);
  return (await response.json()) as Record<string, never>;
}

const rate = ({ calls, seconds }: Round): number => calls / seconds;

async function measure(): Promise<void> {
  const main = folder('../src/main.js');
  const env = {
    DATA_DIR: dataDir,
    PORT: '0',
    LOG_LEVEL: 'info',
    STATIC_CLIENTS: JSON.stringify([{ ...root, description: '', scopes: ['*'] }]),
  };
  const roles = folder('../../../shared/data/taskcluster-roles.json');
  if (existsSync(roles)) {
    const importing = spawn(process.execPath, [main, 'import', roles], {
      env: { PATH: process.env['PATH'], ...env },
      stdio: 'ignore',
    });
    await new Promise((resolve) => importing.once('exit', resolve));
  }
  const port = await start([main, 'serve'], env);
  const expires = '2099-01-01T00:00:00.000Z';
  const path = '/api/auth/v1';
  const roleIds = existsSync(roles)
    ? (JSON.parse(readFileSync(roles, 'utf8')) as { roleId: string }[]).map(({ roleId }) => roleId)
    : ['none'];
  const scopes = [`assume:${roleIds[100 % roleIds.length]}`];
  const signer = (await once(
    port,
    signedCall(port, 'PUT', `${path}/clients/bench`, { description: '', expires, scopes }),
  )) as never;
  const verdict = await once(port, authenticateCall(`${path}/authenticate-hawk`, signer));
  const floor = await start([folder('floor.js'), JSON.stringify({ ...(signer as object), ...verdict })]);

  const measured: Record<string, Round[]> = {
    floor: [],
    authenticate: [],
    expand: [],
    createClient: [],
    createRole: [],
    writers: [],
  };
  let made = 0;
  const settings = { description: 'made by the bench', expires, scopes: ['a'] };
  for (let round = 0; round < ROUNDS; round += 1) {
    const all = { connections: CONNECTIONS, ms: ROUND_MS };
    measured['floor']!.push(await load(floor, () => authenticateCall('/', signer), all));
    measured['authenticate']!.push(
      await load(port, () => authenticateCall(`${path}/authenticate-hawk`, signer), all),
    );
    const expand = (): Call =>
      signedCall(port, 'POST', `${path}/scopes/expand`, {
        scopes: [`assume:${roleIds[(made += 1) % roleIds.length]}`],
      });
    measured['expand']!.push(await load(port, expand, all));
    const createClient = (): Call => signedCall(port, 'PUT', `${path}/clients/c%2F${(made += 1)}`, settings);
    measured['createClient']!.push(await load(port, createClient, { connections: 1, ms: ROUND_MS / 2 }));
    measured['writers']!.push(await load(port, createClient, { connections: 64, ms: ROUND_MS }));
    const createRole = (): Call =>
      signedCall(port, 'PUT', `${path}/roles/bench:${(made += 1)}`, { description: '', scopes: ['a'] });
    measured['createRole']!.push(await load(port, createRole, { connections: 1, ms: ROUND_MS / 4 }));
  }
  const floorRate = median(measured['floor']!.map(rate));
  const table = new Table({
    head: ['what', 'a second', '÷ floor A', 'median ms'],
    style: { head: [], border: [] },
  });
  const row = (name: string, what: string): void => {
    const perSecond = median(measured[name]!.map(rate));
    const ms = median(measured[name]!.flatMap(({ latencies }) => latencies));
    table.push([what, perSecond.toFixed(0), (perSecond / floorRate).toFixed(2), ms.toFixed(2)]);
  };
  row('floor', 'floor A: hawk on bare node:http');
  row('authenticate', `authenticateHawk, ${roleIds.length} roles, ${CONNECTIONS} connections`);
  row('expand', 'expandScopes, signed');
  row('createClient', 'createClient, one after another');
  row('createRole', 'createRole, one after another');
  row('writers', 'createClient, 64 writers');
  console.log(table.toString());
}

try {
  await measure();
} finally {
  for (const child of children) child.kill();
  rmSync(dataDir, { recursive: true, force: true });
}
