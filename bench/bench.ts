import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Attack, ATTACKS, prepareAttacks } from './attacks.ts';
import { type Backend, BACKENDS, measureBackend } from './backends.ts';
import { authenticateCall, type Signer, signedCall, temporary } from './calls.ts';
import { fill, grantsOf, realRoles, type Size } from './fill.ts';
import type { FloorClient } from './floor.ts';
import { type Call, load, once, type Round } from './load.ts';
import { median, Report } from './report.ts';
import { endAll, folder, main, run, type Running, start } from './servers.ts';

/**
 * Measures a server in a process of its own, with the load in this one, against the floors in the same run. Figures are
 * medians of interleaved rounds. `--quick` leaves out what needs a log of millions, and makes shorter rounds; `--only=ROW` is
 * one row of the table; `--backend=NAME` measures other stores beside the embedded ones.
 */
const quick = process.argv.includes('--quick');
const only = optionOf('only');
const backend = optionOf('backend');
function optionOf(name: string): string | undefined {
  const start = `--${name}=`;
  return process.argv.find((each) => each.startsWith(start))?.slice(start.length);
}

const ROUNDS = quick ? 5 : 9;
const ROUND_MS = quick ? 1000 : 3000;
const CONNECTIONS = 32;
const WRITERS = 64;

const root: Signer = { clientId: 'static/root', accessToken: 'root-token-of-the-bench-0123456789' };
const directory = mkdtempSync(join(tmpdir(), 'authledger-bench-'));
const report = new Report();
let made = 0;

type Service = { server: Running; signers: Signer[]; env: Record<string, string> };
const isWanted = (rows: string): boolean => only === undefined || rows.split(' ').includes(only);

function settingsOf(name: string): Record<string, string> {
  const token = [{ ...root, description: '', scopes: ['*'] }];
  return { DATA_DIR: join(directory, name), PORT: '0', STATIC_CLIENTS: JSON.stringify(token) };
}

async function startFilled(name: string, size: Size): Promise<Service> {
  const env = settingsOf(name);
  const signers = await fill(env['DATA_DIR']!, size);
  return { server: await start([main, 'serve'], env), signers, env };
}

/** A floor that knows the same clients as a service, and replies with the same scopes. */
async function startFloor(which: 'A' | 'B', { server, signers }: Service): Promise<Running> {
  const clients: FloorClient[] = [];
  for (const signer of signers) {
    const { scopes, expires } = await once<FloorClient>(server.port, authenticateCall(signer));
    clients.push({ clientId: signer.clientId, accessToken: signer.accessToken, scopes, expires });
  }
  const file = join(directory, `floor-${which}.json`);
  writeFileSync(file, JSON.stringify(clients));
  return start([folder('floor.js'), which, file]);
}

const inTurn =
  (signers: Signer[]): (() => Call) =>
  () =>
    authenticateCall(signers[(made += 1) % signers.length]!);

/** Temporary credentials from every signer, limited to the role that it has. */
function lentBy(signers: Signer[]): Signer[] {
  return signers.map((signer, i) => {
    const { role, lentName } = grantsOf(i);
    return temporary(signer, { clientId: lentName, scopes: [role], authorizedScopes: [role] });
  });
}

/** Rounds of several loads in turn, so that all of them meet the same weather. */
async function interleaved(
  loads: Record<string, () => Promise<Round>>,
  rounds = ROUNDS,
): Promise<Record<string, Round[]>> {
  const measured: Record<string, Round[]> = Object.fromEntries(Object.keys(loads).map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1)
    for (const [name, one] of Object.entries(loads)) measured[name]!.push(await one());
  return measured;
}

/** A load on a server, with the time of its processor that each call took. */
const on =
  (server: Running, next: () => Call, options = { connections: CONNECTIONS, ms: ROUND_MS }) =>
  async (): Promise<Round & { cpu: number }> => {
    const before = server.cpu();
    const round = await load(server.port, next, options);
    return { ...round, cpu: (server.cpu() - before) / round.calls };
  };

async function authentication(small: Service, large: Service): Promise<void> {
  const [a, b] = [await startFloor('A', small), await startFloor('B', small)];
  const lent = lentBy(small.signers);
  const roleIds = realRoles.map(({ roleId }) => roleId);
  const expand = (): Call =>
    signedCall(root, small.server.port, {
      method: 'POST',
      route: '/scopes/expand',
      body: { scopes: [`assume:${roleIds[(made += 1) % roleIds.length]}`] },
    });
  const rounds = await interleaved({
    A: on(a, inTurn(small.signers)),
    B: on(b, inTurn(small.signers)),
    '1': on(small.server, inTurn(small.signers)),
    '2': on(large.server, inTurn(large.signers)),
    '3': on(small.server, inTurn(lent)),
    '8': on(small.server, expand),
  });
  report.floors(rounds['A']!, rounds['B']!);
  report.rate('1', 'authenticateHawk, 486 roles, 350 clients', rounds['1']!, { A: 1, B: 0.75 });
  report.rate('2', 'the same at 10,000 roles, 100,000 clients', rounds['2']!, { row1: 0.95 });
  report.rate('3', 'the same with temporary credentials, authorizedScopes', rounds['3']!, { row1: 0.8 });
  report.rate('8', 'expandScopes of real roles, signed', rounds['8']!, { A: 0.6 });
  await Promise.all([a.stop(), b.stop()]);
}

const expires = '2099-01-01T00:00:00.000Z';
const clientBody = { description: 'made by the bench', expires, scopes: ['project:bench:*'] };

function createClient({ server }: Service): Call {
  const route = `/clients/bench%2F${(made += 1)}`;
  return signedCall(root, server.port, { method: 'PUT', route, body: clientBody });
}

function createRole({ server }: Service): Call {
  const body = { description: '', scopes: [`project:bench:${made}`, 'assume:made-project:7'] };
  return signedCall(root, server.port, { method: 'PUT', route: `/roles/bench:${(made += 1)}`, body });
}

/** Of a real role that others have, so that there is something to make anew. */
function updateRole({ server }: Service): Call {
  const { roleId, scopes } = realRoles[(made += 1) % 40]!;
  const body = { description: `changed ${made}`, scopes: [...scopes, `project:bench:${made}`] };
  return signedCall(root, server.port, {
    method: 'POST',
    route: `/roles/${encodeURIComponent(roleId)}`,
    body,
  });
}

async function changes(services: [string, Service][]): Promise<void> {
  const one = { connections: 1, ms: ROUND_MS / 2 };
  for (const [what, call, row, most, sizes] of [
    ['createRole', createRole, '4', 5, services.slice(0, 2)],
    ['updateRole', updateRole, '4', 5, services.slice(0, 2)],
    ['createClient', createClient, '5', 3, services],
  ] as const) {
    const loads = sizes.map(
      ([name, service]) => [name, on(service.server, () => call(service), one)] as const,
    );
    const rounds = await interleaved(Object.fromEntries(loads));
    const first = sizes[0]![0];
    for (const [name] of sizes)
      report.latency(row, `${what}, ${name}`, rounds[name]!, { most, than: rounds[first]! });
  }
}

async function writers(service: Service): Promise<void> {
  const many = { connections: WRITERS, ms: ROUND_MS };
  const { server } = service;
  const routeOf = (turn: number): string => `/clients/writer%2F${turn % WRITERS}`;
  for (let turn = 0; turn < WRITERS; turn += 1) {
    const create = { method: 'PUT', route: routeOf(turn), body: clientBody };
    await once(server.port, signedCall(root, server.port, create));
  }
  let turn = 0;
  const update = (): Call => {
    const body = { ...clientBody, description: `changed ${(turn += 1)}` };
    return signedCall(root, server.port, { method: 'POST', route: routeOf(turn), body });
  };
  const rounds = await interleaved({
    create: on(server, () => createClient(service), many),
    update: on(server, update, many),
    roles: on(server, () => createRole(service), many),
  });
  report.rate('6', 'createClient, 64 writers', rounds['create']!, { least: 4000 });
  report.rate('6', 'updateClient, 64 writers on clients of their own', rounds['update']!, { least: 4000 });
  report.rate('', 'createRole, 64 writers', rounds['roles']!, {});
}

/** Authentication while roles change, 20 times a second. */
async function duringRoleChanges(service: Service): Promise<void> {
  const { server, signers } = service;
  const options = { connections: CONNECTIONS, ms: ROUND_MS, countFailures: true };
  async function whileChanging(): Promise<Round> {
    let isOver = false;
    const changing = (async () => {
      for (let at = performance.now(); !isOver; at += 50) {
        await once(server.port, updateRole(service));
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, at + 50 - performance.now())));
      }
    })();
    const round = await load(server.port, inTurn(signers), options);
    isOver = true;
    await changing;
    return round;
  }
  const rounds = await interleaved({
    idle: () => load(server.port, inTurn(signers), options),
    changing: whileChanging,
  });
  report.tail('7', 'authenticateHawk p99, 20 role changes a second', rounds['changing']!, {
    than: rounds['idle']!,
    most: 2,
  });
}

/** How long a service takes until it serves, and the memory it has then; then pages in the middle of its clients. */
async function startAndList(env: Record<string, string>): Promise<void> {
  const times: number[] = [];
  let memory = 0;
  const pages: Record<string, Round[]> = { '': [], '&prefix=made%2F05': [] };
  for (let round = 0; round < 5; round += 1) {
    const began = performance.now();
    const server = await start([main, 'serve'], env);
    times.push((performance.now() - began) / 1000);
    memory = Math.max(memory, server.memory().most);
    for (const [prefix, rounds] of Object.entries(pages)) {
      const continuationToken = Buffer.from('made/0500000').toString('base64url');
      const route = `/clients/?limit=1000&continuationToken=${continuationToken}${prefix}`;
      const next = (): Call => signedCall(root, server.port, { method: 'GET', route });
      rounds.push(await load(server.port, next, { connections: 1, ms: 1000 }));
    }
    await server.stop();
  }
  const seconds = median(times);
  report.add('9', 'start until ready, 1,000,000 clients, 3,000,000 events', {
    figure: `${seconds.toFixed(2)} s, ${memory} MB`,
    target: '≤ 2 s, ≤ 400 MB',
    reached: seconds <= 2 && memory <= 400,
  });
  for (const [prefix, rounds] of Object.entries(pages))
    report.latency('11', `a page of 1,000 clients in the middle${prefix && ', with a prefix'}`, rounds, {
      most: 40,
      than: rounds,
    });
}

/** A replay of the whole log; `events` are in it. */
async function replay(env: Record<string, string>, events: number): Promise<void> {
  const rates: number[] = [];
  for (let round = 0; round < 2; round += 1)
    rates.push(events / (await run([main, 'projections', 'rebuild'], env)));
  report.add('10', 'full replay into empty projections', {
    figure: `${Math.max(...rates).toFixed(0)} events/s`,
    target: '≥ 100,000 events/s',
    reached: Math.max(...rates) >= 100_000,
  });
}

/** Authentication while everything is listed, exported and rebuilt. */
async function besideLongWork({ server, signers, env }: Service): Promise<void> {
  let isOver = false;
  const again = async (work: () => Promise<unknown>): Promise<void> => {
    while (!isOver) await work();
  };
  const authenticate = on(server, inTurn(signers));
  const alone = await interleaved({ alone: authenticate });
  const list = [folder('list.js'), String(server.port), JSON.stringify(root)];
  const working = [
    again(() => run(list, env)),
    again(() => run([main, 'export', 'clients'], env)),
    again(() => run([main, 'projections', 'rebuild'], env)),
  ];
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const beside = await interleaved({ beside: authenticate });
  isOver = true;
  const ratio =
    median(beside['beside']!.map(({ calls, seconds }) => calls / seconds)) /
    median(alone['alone']!.map(({ calls, seconds }) => calls / seconds));
  report.add('12', 'authenticateHawk beside a listing, an export and a rebuild', {
    figure: `${ratio.toFixed(2)} × alone`,
    rounds: beside['beside']!,
    target: '≥ 0.8 × alone',
    reached: ratio >= 0.8,
  });
  endAll();
  await Promise.allSettled(working);
}

/** Authentication while one process repeats a hostile input on 4 connections, against the same bytes sent to a server that does nothing. */
async function besideAttacks(): Promise<void> {
  const env = settingsOf('attacked');
  const signers = await fill(env['DATA_DIR']!, { roles: 486, clients: 1000, events: 1486 });
  await prepareAttacks(env['DATA_DIR']!);
  const dummy = await start([folder('dummy.js')]);
  const server = await start(['--import', folder('loopDelay.js'), main, 'serve'], env);
  const options = { connections: CONNECTIONS, ms: ROUND_MS, countFailures: true };
  const whileAttacked = (attack: Attack, port: number) => async (): Promise<Round & { delay: number }> => {
    const attacker = await start([folder('attack.js'), attack, String(port), JSON.stringify(root)]);
    await server.longestDelay();
    const round = await load(server.port, inTurn(signers), options);
    const delay = await server.longestDelay();
    await attacker.stop();
    return { ...round, delay };
  };
  for (const attack of Object.keys(ATTACKS) as Attack[]) {
    const rounds = await interleaved({
      dummy: whileAttacked(attack, dummy.port),
      server: whileAttacked(attack, server.port),
    });
    report.besideAttack('13', `authenticateHawk beside ${attack}`, rounds['server']!, rounds['dummy']!);
  }
  await Promise.all([server.stop(), dummy.stop()]);
}

async function measureEmbedded(): Promise<void> {
  const small = await startFilled('small', { roles: 486, clients: 1000, events: 1486 });
  const large = await startFilled('large', { roles: 10_000, clients: 100_000, events: 110_000 });
  const middling: [string, Service][] = [
    ['486 roles, 1,000 clients', small],
    ['10,000 roles, 100,000 clients', large],
  ];
  if (isWanted('1 2 3 8')) await authentication(small, large);
  if (isWanted('6')) await writers(small);
  if (isWanted('7')) await duringRoleChanges(large);
  if (quick) {
    if (isWanted('4 5')) await changes(middling);
    if (isWanted('12')) await besideLongWork(large);
  } else if (isWanted('4 5 9 10 11 12')) {
    const size = { roles: 10_000, clients: 1_000_000, events: 3_000_000 };
    const env = settingsOf('huge');
    const signers = await fill(env['DATA_DIR']!, size);
    if (isWanted('10')) await replay(env, size.events);
    await (await start([main, 'serve'], env)).stop();
    if (isWanted('9 11')) await startAndList(env);
    const huge = { server: await start([main, 'serve'], env), signers, env };
    if (isWanted('4 5')) await changes([...middling, ['10,000 roles, 1,000,000 clients', huge]]);
    if (isWanted('12')) await besideLongWork(huge);
  }
  if (isWanted('13')) await besideAttacks();
  report.print();
}

try {
  if (backend === undefined) await measureEmbedded();
  else if (isBackend(backend)) await measureBackend(backend);
  else throw new Error(`--backend must be one of ${BACKENDS.join(', ')}, not ${backend}`);
} finally {
  endAll();
  rmSync(directory, { recursive: true, force: true });
}

function isBackend(name: string): name is Backend {
  return (BACKENDS as readonly string[]).includes(name);
}
