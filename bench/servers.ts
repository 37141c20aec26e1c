import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** A server in a process of its own. */
export type Running = {
  port: number;
  /** User and system time that its process has taken so far, in microseconds. */
  cpu(): number;
  /** Resident memory in MB, and the most it ever was. */
  memory(): { now: number; most: number };
  /** The longest delay of its event loop since this was last asked, in milliseconds; of a server that `loopDelay` is imported into. */
  longestDelay(): Promise<number>;
  stop(): Promise<void>;
};

export const folder = (name: string): string => new URL(name, import.meta.url).pathname;
export const main = folder('../src/main.js');
const TICK = 10_000;
const children = new Set<ChildProcess>();
let logs: string | undefined;
let started = 0;

/**
 * Starts a server and resolves once it says that it serves. Its log goes to a file, as it mostly does: through a pipe, the load
 * would have to read it.
 */
export async function start(args: string[], env: Record<string, string> = {}): Promise<Running> {
  logs ??= mkdtempSync(join(tmpdir(), 'authledger-bench-logs-'));
  const log = join(logs, String((started += 1)));
  const delayFile = `${log}.delay`;
  const child = spawn(process.execPath, args, {
    // The load is one caller.
    env: {
      PATH: process.env['PATH'],
      LOOP_DELAY_FILE: delayFile,
      RATE_LIMIT: 'off',
      RATE_LIMIT_CREDENTIALS: 'off',
      ...env,
    },
    stdio: ['ignore', openSync(log, 'w'), 'ignore'],
  });
  children.add(child);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let port: number | undefined;
  while (port === undefined) {
    if (child.exitCode !== null) throw new Error(`${args.join(' ')} did not start`);
    await sleep(5);
    const served = /"rootUrl":"http:\/\/[^"]*:(\d+)"/.exec(readFileSync(log, 'utf8'));
    if (served) port = Number(served[1]);
  }
  const proc = (file: string): string => readFileSync(`/proc/${child.pid}/${file}`, 'utf8');
  const megabytes = (name: string): number =>
    Math.round(Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(proc('status'))![1]) / 1024);
  return {
    port,
    cpu() {
      const fields = proc('stat').split(') ')[1]!.split(' ');
      return (Number(fields[11]) + Number(fields[12])) * TICK;
    },
    memory: () => ({ now: megabytes('VmRSS'), most: megabytes('VmHWM') }),
    async longestDelay() {
      rmSync(delayFile, { force: true });
      child.kill('SIGUSR2');
      while (!existsSync(delayFile)) await sleep(5);
      await sleep(5);
      return Number(readFileSync(delayFile, 'utf8'));
    },
    async stop() {
      child.kill('SIGTERM');
      await ended;
      children.delete(child);
    },
  };
}

/** Runs a program to its end; resolves with the seconds it took. */
export async function run(args: string[], env: Record<string, string>): Promise<number> {
  const began = performance.now();
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'], ...env },
    stdio: 'ignore',
  });
  children.add(child);
  const code = await new Promise((resolve) => child.once('exit', resolve));
  children.delete(child);
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${String(code)}`);
  return (performance.now() - began) / 1000;
}

/** KurrentDB's double on a free port, in a process of its own that ends with this one. */
export async function startDouble(): Promise<{ url: string }> {
  const child = spawn(process.execPath, [folder('../test/kurrentDouble/main.js')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.add(child);
  for await (const url of createInterface({ input: child.stdout })) return { url };
  throw new Error("KurrentDB's double did not start");
}

/** Ends whatever was started and still runs. */
export function endAll(): void {
  for (const child of children) child.kill('SIGKILL');
  if (logs) rmSync(logs, { recursive: true, force: true });
}
