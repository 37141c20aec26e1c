import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { constants, cpus, setPriority } from 'node:os';

/** A larger young generation (MiB): reading millions of events allocates many short-lived objects. */
const SEMI_SPACE_FLAG = '--max-semi-space-size=64';

/** While other processes are busy, this one works for WORK_SLICE (ms of CPU time), then sleeps for PAUSE (ms). */
const WORK_SLICE = 5;
const PAUSE = 100;
/** How often (ms) it measures whether others are busy. The system counts CPU time in hundredths of a second. */
const CHECK_INTERVAL = 50;

/**
 * Wraps the action of a command that reads or writes the whole log, so that it runs with the lowest priority and a
 * service on the same machine goes first. It runs in another process, because the existing threads of this one, such as
 * those of the garbage collector, would keep their priority.
 */
export function inBackground<Args extends unknown[]>(
  action: (...args: Args) => Promise<void>,
): (...args: Args) => Promise<void> {
  if (!process.execArgv.includes(SEMI_SPACE_FLAG)) return respawn;
  // Ends when the parent process has ended.
  process.once('disconnect', () => process.exit(1));
  process.channel?.unref();
  pauseWhileOthersWork();
  return action;
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
 * Linux's SCHED_IDLE policy, which uses only idle CPU time. A low priority alone is not enough: the scheduler counts a
 * CPU that runs such a process as busy, and moves other processes to the next one.
 */
const IDLE_SCHEDULING = ['chrt', '-i', '0'];

/** Runs this command again in a child process of lowest priority, and forwards its streams, signals and exit code. */
async function respawn(): Promise<void> {
  setPriority(constants.priority.PRIORITY_LOW);
  const [chrt, ...flags] = IDLE_SCHEDULING;
  const hasChrt = spawnSync(chrt!, [...flags, 'true']).status === 0;
  const [command, ...args] = [
    ...(hasChrt ? IDLE_SCHEDULING : []),
    process.execPath,
    ...process.execArgv,
    SEMI_SPACE_FLAG,
    ...process.argv.slice(1),
  ];
  const child = spawn(command!, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  process.exitCode = code ?? 128 + constants.signals[signal!];
}
