import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { constants, cpus, setPriority } from 'node:os';

/** Room (MiB) for what is new in memory: whoever reads millions of events makes much that does not live long. */
const SEMI_SPACE_FLAG = '--max-semi-space-size=64';

/** Where others are at work, it works so long (ms of its own), and then leaves the processors to them so long (ms). */
const WORK_SLICE = 5;
const PAUSE = 100;
/** How often (ms) it looks whether they are: the system counts in hundredths of a second. */
const CHECK_INTERVAL = 50;

/**
 * The action of a command that reads or writes everything there is: it runs with the lowest priority, so that a service goes
 * first on a machine that is busy. It is another process that runs it, as the threads that this one has already, those that
 * collect garbage among them, would keep their priority.
 */
export function inBackground<Args extends unknown[]>(
  action: (...args: Args) => Promise<void>,
): (...args: Args) => Promise<void> {
  if (!process.execArgv.includes(SEMI_SPACE_FLAG)) return respawn;
  // Nobody waits for this process once the one that started it is gone.
  process.once('disconnect', () => process.exit(1));
  process.channel?.unref();
  pauseWhileOthersWork();
  return action;
}

/**
 * Stands still now and then while others are at work. To have only the time between their turns is not enough: each change of
 * turns costs them as much as a request may, and what they had in the processor's caches.
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

/** Time (ms) that processors gave to whatever has no low priority, as this process has. */
function othersCpuTime(): number {
  const all = cpus().reduce((sum, { times: { user, sys, irq } }) => sum + user + sys + irq, 0);
  return all - process.cpuUsage().system / 1000;
}

/**
 * Linux's way to run what only gets the time that nobody else wants. A low priority alone is not enough: the scheduler takes a
 * processor for busy on which such a process runs, and puts others together on the next one.
 */
const IDLE_SCHEDULING = ['chrt', '-i', '0'];

/** Runs this process's command again in a process of lowest priority, which takes its place in all that can be seen. */
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
