import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

const MAIN = new URL('../dist/src/main.js', import.meta.url).pathname;
const children = new Set<ChildProcess>();
process.once('exit', () => children.forEach((child) => child.kill('SIGKILL')));

/** Starts a command of the built command line, with these settings and none from around. */
export function startCommand(args: string[], env: Record<string, string>): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { PATH: process.env['PATH'], ...env } });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

export type Finished = { stdout: string; stderr: string; code: number | null };

/** Runs a command to its end. */
export async function runCommand(args: string[], env: Record<string, string>): Promise<Finished> {
  return finished(startCommand(args, env));
}

async function finished(child: ChildProcess): Promise<Finished> {
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, 'exit'),
  ]);
  return { stdout, stderr, code: code as number | null };
}

/** Runs a command in a shell for a reader who has had enough after five characters; `redirect` is such as `2>&1`. */
export async function runIntoHead(
  args: string[],
  env: Record<string, string>,
  redirect = '',
): Promise<Finished> {
  const script = ['--norc', '-o', 'pipefail', '-c', `"$0" "$@" ${redirect} | head -c 5`];
  return finished(
    spawn('bash', [...script, process.execPath, MAIN, ...args], {
      env: { PATH: process.env['PATH'], ...env },
    }),
  );
}

/** Starts `authledger serve` as a process of its own; resolves once it serves. */
export async function startServer(
  env: Record<string, string>,
  args: string[] = [],
): Promise<{ child: ChildProcess; rootUrl: string; output(): string }> {
  const child = startCommand(['serve', ...args], { PORT: '0', ...env });
  let output = '';
  child.stderr!.setEncoding('utf8').on('data', (part: string) => (output += part));
  const rootUrl = await new Promise<string>((resolve, reject) => {
    child.once('exit', () => reject(new Error(`the service did not start:\n${output}`)));
    child.stdout!.setEncoding('utf8').on('data', (part: string) => {
      output += part;
      const served = /"rootUrl":"([^"]+)"[^\n]*"msg":"serving"/.exec(output);
      if (served) resolve(served[1]!);
    });
  });
  return { child, rootUrl, output: () => output };
}

/** Ends a process, and resolves once it is gone. */
export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}
