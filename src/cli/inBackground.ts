import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { constants, cpus, setPriority } from 'node:os';

/** A larger young generation (MiB): reading millions of events allocates many short-lived objects. */
const SEMI_SPACE_FLAG = '--max-semi-space-size=64';

/** While other processes are busy, this one works for WORK_SLICE (ms of CPU time), then sleeps for PAUSE (ms). */
const WORK_SLICE = 5;
const PAUSE = 100;
/** How often (ms) it measures whether others are busy. The system counts CPU time in hundredths of a second. */
const CHECK_INTERVAL = 50;

/**
 * How long (ms of CPU time) the command runs at normal priority. Most commands have ended by then: at the lowest priority,
 * on a busy machine, they would take a minute rather than a tenth of a second.
 */
const GRACE = 250;

/**
 * Wraps the action of a command that reads or writes the whole log: once it has worked for GRACE, it runs with the lowest
 * priority, so that a service on the same machine goes first. It runs in a child process, because only a new process can
 * get a larger young generation; only the child loads the action.
 */
export function inBackground<Args extends unknown[]>(
  load: () => Promise<(...args: Args) => Promise<void>>,
): (...args: Args) => Promise<void> {
  if (!process.execArgv.includes(SEMI_SPACE_FLAG)) return respawn;
  // Ends when the parent process has ended.
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
    }, WORK_SLICE).unref();
    return action(...args);
  };
}

/**
 * Sleeps regularly while other processes are busy. A low priority alone is not enough: each context switch costs them
 * about as much as a request, and evicts their data from the CPU caches.
 */
function pauseWhileOthersWork(): void {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  let last = { at: performance.now(), others: othersCpuTime() };
  let othersAreBusy = false;
  let worked = process.cpuUsage();
  setInterval(() => {
    const { user, system } = process.cpuUsage(worked);
    if (user + system < WORK_SLICE * 1000) return;
    if (othersAreBusy) Atomics.wait(sleeper, 0, 0, PAUSE);
    worked = process.cpuUsage();
    const at = performance.now();
    if (at - last.at < CHECK_INTERVAL) return;
    const others = othersCpuTime();
    othersAreBusy = others - last.others > (at - last.at) / 2;
    last = { at, others };
  }, WORK_SLICE).unref();
}

/** CPU time (ms) of all processes of normal priority. */
function othersCpuTime(): number {
  const all = cpus().reduce((sum, { times: { user, sys, irq } }) => sum + user + sys + irq, 0);
  return all - process.cpuUsage().system / 1000;
}

/**
/**
 * Gives all threads of this process the lowest priority, those of the garbage collector among them. On Linux, each thread
 * has its own, and a low priority alone is not enough: the scheduler counts a CPU that runs such a process as busy, and
 * moves other processes to the next one. `chrt` sets the SCHED_IDLE policy, which uses only idle CPU time.
 */
function lowerPriority(): void {
  const { PRIORITY_LOW } = constants.priority;
  if (process.platform === 'linux')
    for (const thread of readdirSync('/proc/self/task')) setPriority(Number(thread), PRIORITY_LOW);
  else setPriority(PRIORITY_LOW);
  spawnSync('chrt', ['--all-tasks', '--idle', '--pid', '0', String(process.pid)]);
}

/** Runs this command again in a child process, and forwards its streams, signals and exit code. */
async function respawn(): Promise<void> {
  const args = [...process.execArgv, SEMI_SPACE_FLAG, ...process.argv.slice(1)];
  const child = spawn(process.execPath, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  process.exitCode = code ?? 128 + constants.signals[signal!];
}
