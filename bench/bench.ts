import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureAgainst } from './against.ts';
import { measureAuditors } from './auditors.ts';
import { type Attack, ATTACKS, prepareAttacks } from './attacks.ts';
import { measureBackend } from './backends.ts';
import { authenticateCall, signedCall } from './calls.ts';
import { fill, type Size } from './fill.ts';
import type { FloorClient } from './floor.ts';
import { type Call, load, once, type Round } from './load.ts';
import {
  authenticating,
  authenticatingLent,
  creatingClients,
  creatingRoles,
  expanding,
  root,
  type Service,
  settingsOver,
  updatingClients,
  updatingRoles,
  whileRolesChange,
  WRITERS,
} from './loads.ts';
import { readOptions } from './options.ts';
import { median, Report } from './report.ts';
import { interleaved, on } from './rounds.ts';
import { endAll, folder, main, run, type Running, start } from './servers.ts';

/**
 * Measures a server in a process of its own, with the load in this one, against the floors in the same run. Figures are
 * medians of interleaved rounds. `--help` tells the options.
 */
const { quick, rows, rounds: asked, backend, against } = readOptions();
const ROUNDS = asked ?? (against === undefined ? (quick ? 5 : 9) : 7);
const ROUND_MS = quick ? 1000 : 3000;
const CONNECTIONS = 32;

const directory = mkdtempSync(join(tmpdir(), 'authledger-bench-'));
const report = new Report();

type Filled = Service & { env: Record<string, string> };

const isWanted = (...some: string[]): boolean => some.some((row) => rows.includes(row));
const settingsOf = (name: string): Record<string, string> => settingsOver(join(directory, name));

async function startFilled(name: string, size: Size): Promise<Filled> {
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

const reading = { connections: CONNECTIONS, ms: ROUND_MS };

async function authentication(small: Service, large: Service): Promise<void> {
  const [a, b] = [await startFloor('A', small), await startFloor('B', small)];
  const loads = {
    A: on(a, authenticating(small), reading),
    B: on(b, authenticating(small), reading),
    '1': on(small.server, authenticating(small), reading),
    '2': on(large.server, authenticating(large), reading),
    '3': on(small.server, authenticatingLent(small), reading),
    '8': on(small.server, expanding(small), reading),
  };
  const rounds = await interleaved(loads, ROUNDS);
  report.floors(rounds.A, rounds.B);
  report.rate('1', 'authenticateHawk, 486 roles, 350 clients', rounds['1'], { A: 1, B: 0.75 });
  report.rate('2', 'the same at 10,000 roles, 100,000 clients', rounds['2'], { row1: 0.95 });
  report.rate('3', 'the same with temporary credentials, authorizedScopes', rounds['3'], { row1: 0.8 });
  report.rate('8', 'expandScopes of real roles, signed', rounds['8'], { A: 0.6 });
  await Promise.all([a.stop(), b.stop()]);
}

async function changes(services: [string, Service][]): Promise<void> {
  const one = { connections: 1, ms: ROUND_MS / 2 };
  for (const [what, calls, row, most, sizes] of [
    ['createRole', creatingRoles, '4', 5, services.slice(0, 2)],
    ['updateRole', updatingRoles, '4', 5, services.slice(0, 2)],
    ['createClient', creatingClients, '5', 3, services],
  ] as const) {
    const loads = sizes.map(([name, service]) => [name, on(service.server, calls(service), one)] as const);
    const rounds = await interleaved(Object.fromEntries(loads), ROUNDS);
    const first = sizes[0]![0];
    for (const [name] of sizes)
      report.latency(row, `${what}, ${name}`, rounds[name]!, { most, than: rounds[first]! });
  }
}

async function writers(service: Service): Promise<void> {
  const many = { connections: WRITERS, ms: ROUND_MS };
  const { server } = service;
  const loads = {
    create: on(server, creatingClients(service), many),
    update: on(server, await updatingClients(service), many),
    roles: on(server, creatingRoles(service), many),
  };
  const rounds = await interleaved(loads, ROUNDS);
  report.rate('6', 'createClient, 64 writers', rounds.create, { least: 4000 });
  report.rate('6', 'updateClient, 64 writers on clients of their own', rounds.update, { least: 4000 });
  report.rate('', 'createRole, 64 writers', rounds.roles, {});
}

/** Authentication while roles change, 20 times a second. */
async function duringRoleChanges(service: Service): Promise<void> {
  const authenticate = on(service.server, authenticating(service), { ...reading, countFailures: true });
  const loads = { idle: authenticate, changing: () => whileRolesChange(service, authenticate) };
  const rounds = await interleaved(loads, ROUNDS);
  report.tail('7', 'authenticateHawk p99, 20 role changes a second', rounds.changing, {
    than: rounds.idle,
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
async function besideLongWork(service: Filled): Promise<void> {
  const { server, env } = service;
  let isOver = false;
  const again = async (work: () => Promise<unknown>): Promise<void> => {
    while (!isOver) await work();
  };
  const authenticate = on(server, authenticating(service), reading);
  const alone = await interleaved({ alone: authenticate }, ROUNDS);
  const list = [folder('list.js'), String(server.port), JSON.stringify(root)];
  const working = [
    again(() => run(list, env)),
    again(() => run([main, 'export', 'clients'], env)),
    again(() => run([main, 'projections', 'rebuild'], env)),
  ];
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const beside = await interleaved({ beside: authenticate }, ROUNDS);
  isOver = true;
  const ratio =
    median(beside.beside.map(({ calls, seconds }) => calls / seconds)) /
    median(alone.alone.map(({ calls, seconds }) => calls / seconds));
  report.add('12', 'authenticateHawk beside a listing, an export and a rebuild', {
    figure: `${ratio.toFixed(2)} × alone`,
    rounds: beside.beside,
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
    const round = await load(server.port, authenticating({ signers }), options);
    const delay = await server.longestDelay();
    await attacker.stop();
    return { ...round, delay };
  };
  for (const attack of Object.keys(ATTACKS) as Attack[]) {
    const loads = {
      dummy: whileAttacked(attack, dummy.port),
      server: whileAttacked(attack, server.port),
    };
    const rounds = await interleaved(loads, ROUNDS);
    report.besideAttack('13', `authenticateHawk beside ${attack}`, rounds.server, rounds.dummy);
  }
  await Promise.all([server.stop(), dummy.stop()]);
}

/** What auditors ask about a log of a year, once all tables are built. */
async function auditors(): Promise<void> {
  const size = quick
    ? { roles: 1000, clients: 10_000, events: 50_000 }
    : { roles: 10_000, clients: 100_000, events: 1_000_000 };
  const env = settingsOf('audited');
  const signers = await fill(env['DATA_DIR']!, { ...size, isYearLong: true });
  await run([main, 'projections', 'rebuild'], env);
  const server = await start([main, 'serve'], env);
  const options = { ...reading, times: quick ? 40 : 200, rounds: ROUNDS, roles: size.roles };
  await measureAuditors(report, { server, signers }, options);
  await server.stop();
}

async function measureEmbedded(): Promise<void> {
  if (rows.some((row) => row !== '15')) await measurePresent();
  if (isWanted('15')) await auditors();
  report.print();
}

async function measurePresent(): Promise<void> {
  const small = await startFilled('small', { roles: 486, clients: 1000, events: 1486 });
  const large = await startFilled('large', { roles: 10_000, clients: 100_000, events: 110_000 });
  const middling: [string, Filled][] = [
    ['486 roles, 1,000 clients', small],
    ['10,000 roles, 100,000 clients', large],
  ];
  if (isWanted('1', '2', '3', '8')) await authentication(small, large);
  if (isWanted('6')) await writers(small);
  if (isWanted('7')) await duringRoleChanges(large);
  if (quick) {
    if (isWanted('4', '5')) await changes(middling);
    if (isWanted('12')) await besideLongWork(large);
  } else if (isWanted('4', '5', '9', '10', '11', '12')) {
    const size = { roles: 10_000, clients: 1_000_000, events: 3_000_000 };
    const env = settingsOf('huge');
    const signers = await fill(env['DATA_DIR']!, size);
    if (isWanted('10')) await replay(env, size.events);
    await (await start([main, 'serve'], env)).stop();
    if (isWanted('9', '11')) await startAndList(env);
    const huge = { server: await start([main, 'serve'], env), signers, env };
    if (isWanted('4', '5')) await changes([...middling, ['10,000 roles, 1,000,000 clients', huge]]);
    if (isWanted('12')) await besideLongWork(huge);
  }
  if (isWanted('13')) await besideAttacks();
}

try {
  if (against !== undefined) await measureAgainst(against, { rows, rounds: ROUNDS, ms: ROUND_MS, directory });
  else if (backend === undefined) await measureEmbedded();
  else await measureBackend(backend);
} finally {
  endAll();
  rmSync(directory, { recursive: true, force: true });
}
