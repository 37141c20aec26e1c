import { spawn, spawnSync } from 'node:child_process';
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

/**
 * Linux's way to run what only gets the time that nobody else wants. A low priority alone is not enough: the scheduler takes a
 * processor for busy on which such a process runs, and puts others together on the next one.
 */
const WHEN_IDLE = ['chrt', '-i', '0'];

/** Runs this process's command again in a process of lowest priority, which takes its place in all that can be seen. */
async function runAgain(): Promise<void> {
  setPriority(constants.priority.PRIORITY_LOW);
  const [chrt, ...flags] = WHEN_IDLE;
  const isThere = spawnSync(chrt!, [...flags, 'true']).status === 0;
  const [command, ...args] = [
    ...(isThere ? WHEN_IDLE : []),
    process.execPath,
    ...process.execArgv,
    ROOM,
    ...process.argv.slice(1),
  ];
  const child = spawn(command!, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  process.exitCode = code ?? 128 + constants.signals[signal!];
}
