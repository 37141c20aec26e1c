import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { constants, cpus, setPriority } from 'node:os';

/** Room (MiB) for what is new in memory: whoever reads millions of events makes much that does not live long. */
const ROOM = '--max-semi-space-size=64';

/** Where others are at work, it works so long (ms of its own), and then leaves the processors to them so long (ms). */
const SLICE = 5;
const PAUSE = 100;
/** How often (ms) it looks whether they are: the system counts in hundredths of a second. */
const LOOK_EVERY = 50;

/**
 * The command goes first like any other until it has worked so long (ms of its own). Most are over by then: on a busy machine, with
 * the lowest priority, they would take a minute for what takes a tenth of a second.
 */
const GRACE = 250;

/**
 * The action of a command that may read or write everything there is: it runs with the lowest priority once it takes long, so that a
 * service goes first on a machine that is busy. It runs in a process of its own, as only a new one gets more ROOM; the action is loaded
 * there alone.
 */
export function inBackground<Args extends unknown[]>(
  load: () => Promise<(...args: Args) => Promise<void>>,
): (...args: Args) => Promise<void> {
  if (!process.execArgv.includes(ROOM)) return runAgain;
  // Nobody waits for this process once the one that started it is gone.
  process.once('disconnect', () => process.exit(1));
  process.channel?.unref();
  return async (...args) => {
    const action = await load();
    const begun = process.cpuUsage();
    const timer = setInterval(() => {
      const { user, system } = process.cpuUsage(begun);
      if (user + system < GRACE * 1000) return;
      clearInterval(timer);
      lowerPriority();
      pauseWhileOthersWork();
    }, SLICE).unref();
    return action(...args);
  };
}

/**
 * Stands still now and then while others are at work. To have only the time between their turns is not enough: each change of
 * turns costs them as much as a request may, and what they had in the processor's caches.
 */
function pauseWhileOthersWork(): void {
  const still = new Int32Array(new SharedArrayBuffer(4));
  let last = { at: performance.now(), others: timeOfOthers() };
  let areAtWork = false;
  let worked = process.cpuUsage();
  setInterval(() => {
    const { user, system } = process.cpuUsage(worked);
    if (user + system < SLICE * 1000) return;
    if (areAtWork) Atomics.wait(still, 0, 0, PAUSE);
    worked = process.cpuUsage();
    const at = performance.now();
    if (at - last.at < LOOK_EVERY) return;
    const others = timeOfOthers();
    areAtWork = others - last.others > (at - last.at) / 2;
    last = { at, others };
  }, SLICE).unref();
}

/** Time (ms) that processors gave to whatever has no low priority, as this process has. */
function timeOfOthers(): number {
  const all = cpus().reduce((sum, { times: { user, sys, irq } }) => sum + user + sys + irq, 0);
  return all - process.cpuUsage().system / 1000;
}

/**
 * Gives all threads of this process, those that collect garbage among them, the lowest priority. On Linux, each thread has its own, and
 * a low priority alone is not enough: the scheduler takes a processor for busy on which such a process runs, and puts others together
 * on the next one. `chrt` makes it one that only gets the time that nobody else wants.
 */
function lowerPriority(): void {
  const { PRIORITY_LOW } = constants.priority;
  if (process.platform === 'linux')
    for (const thread of readdirSync('/proc/self/task')) setPriority(Number(thread), PRIORITY_LOW);
  else setPriority(PRIORITY_LOW);
  spawnSync('chrt', ['--all-tasks', '--idle', '--pid', '0', String(process.pid)]);
}

/** Runs this process's command again in another process, which takes its place in all that can be seen. */
async function runAgain(): Promise<void> {
  const args = [...process.execArgv, ROOM, ...process.argv.slice(1)];
  const child = spawn(process.execPath, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  process.exitCode = code ?? 128 + constants.signals[signal!];
}
