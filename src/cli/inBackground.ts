import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, setPriority } from 'node:os';

/** Room (MiB) for what is new in memory: whoever reads millions of events makes much that does not live long. */
const ROOM = '--max-semi-space-size=64';

/**
 * The action of a command that reads or writes everything there is: it runs with the lowest priority, so that a service goes
 * first on a machine that is busy. It is another process that runs it, as the threads that this one has already, those that
 * collect garbage among them, would keep their priority.
 */
export function inBackground<Args extends unknown[]>(
  action: (...args: Args) => Promise<void>,
): (...args: Args) => Promise<void> {
  if (!process.execArgv.includes(ROOM)) return runAgain;
  // Nobody waits for this process once the one that started it is gone.
  process.once('disconnect', () => process.exit(1));
  process.channel?.unref();
  return action;
}

/** Runs this process's command again in a process of lowest priority, which takes its place in all that can be seen. */
async function runAgain(): Promise<void> {
  setPriority(constants.priority.PRIORITY_LOW);
  const child = spawn(process.execPath, [...process.execArgv, ROOM, ...process.argv.slice(1)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  process.exitCode = code ?? 128 + constants.signals[signal!];
}
