import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { unusedPort } from '../listeners.ts';

/** A server of another project that this process started, on data of its own. */
export type RealServer = {
  /** Where it listens, on loopback. */
  address: string;
  pid(): number;
  /** Ends it, at once or in peace; its data stays. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again at the same address, on the same data. */
  start(): Promise<void>;
  /** Ends it for good. */
  remove(): Promise<void>;
};

const cache = process.env['AUTHLEDGER_SERVERS'] ?? join(homedir(), '.cache/authledger-servers');
/** Here, and where the bench has it built. */
const scripts = join(
  import.meta.dirname,
  import.meta.dirname.endsWith(join('dist', 'test', 'servers')) ? '../../../scripts' : '../../scripts',
);
const children = new Set<ChildProcess>();
process.once('exit', () => children.forEach((child) => child.kill('SIGKILL')));

/** Whether `scripts/<name> install` has been run. */
export const isInstalled = {
  azurite: existsSync(join(cache, 'azurite-3.35.0')),
  ferretdb: existsSync(join(cache, 'ferretdb-1.24.0')),
  kafka: existsSync(join(cache, 'kafka-4.1.0')),
  moto: existsSync(join(cache, 'moto-5.2.5')),
  'python-clients': existsSync(join(cache, 'python-clients-113.2.0')),
};

/** FerretDB, which speaks MongoDB's protocol. */
export async function startFerretdb(): Promise<RealServer> {
  const port = await unusedPort();
  return startServer(port, (directory) => ['ferretdb', 'run', directory, String(port)]);
}

/** Apache Kafka, with these settings on top of the usual ones. */
export async function startKafka(settings: Record<string, string> = {}): Promise<RealServer> {
  const [port, controller] = [await unusedPort(), await unusedPort()];
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  return startServer(port, (directory) => {
    writeFileSync(join(directory, 'more.properties'), lines.join(''));
    return ['kafka', 'run', directory, String(port), String(controller)];
  });
}

/** moto, which stands in for AWS; it forgets everything when it stops. */
export async function startMoto(): Promise<RealServer> {
  const port = await unusedPort();
  return startServer(port, (directory) => ['moto', 'run', directory, String(port)]);
}

/** Azurite, which speaks the protocols of Azure's storage, with accounts by their keys. */
export async function startAzurite(
  accounts: Record<string, string>,
): Promise<RealServer & { blobEndpoint(account: string): string; tableEndpoint(account: string): string }> {
  const [blobs, tables] = [await unusedPort(), await unusedPort()];
  // It starts the one of tables last.
  const server = await startServer(tables, (directory) => {
    const lines = Object.entries(accounts).map(([name, key]) => `${name}:${key}`);
    writeFileSync(join(directory, 'accounts'), lines.join(';'));
    return ['azurite', 'run', directory, String(blobs), String(tables)];
  });
  return {
    ...server,
    blobEndpoint: (account) => `http://127.0.0.1:${blobs}/${account}`,
    tableEndpoint: (account) => `http://127.0.0.1:${tables}/${account}`,
  };
}

async function startServer(port: number, argsIn: (directory: string) => string[]): Promise<RealServer> {
  const directory = mkdtempSync(join(tmpdir(), 'authledger-server-'));
  const [script, ...args] = argsIn(directory);
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const started = spawn(join(scripts, script!), args, { stdio: ['ignore', 'pipe', 'pipe'] });
    child = started;
    children.add(started);
    let output = '';
    for (const stream of [started.stdout!, started.stderr!])
      stream.setEncoding('utf8').on('data', (part: string) => (output = (output + part).slice(-4000)));
    started.once('exit', () => children.delete(started));
    for (let tries = 0; !(await listens(port)); tries += 1) {
      if (started.exitCode !== null || tries > 600) throw new Error(`${script} did not start:\n${output}`);
      await sleep(100);
    }
  }

  async function stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    const tooLong = setTimeout(() => child!.kill('SIGKILL'), 20_000);
    await gone;
    clearTimeout(tooLong);
  }

  await start();
  return {
    address: `127.0.0.1:${port}`,
    pid: () => child!.pid!,
    start,
    stop,
    async remove() {
      await stop('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Whether anybody listens at a port on loopback. */
export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const answer = (isThere: boolean): void => {
      socket.destroy();
      resolve(isThere);
    };
    socket.once('connect', () => answer(true)).once('error', () => answer(false));
  });
}
