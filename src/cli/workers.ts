import cluster, { type Worker } from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { prepare, rootUrlAt, startServer, type RunningServer } from './startServer.ts';
import { FileGone } from '../storage/watchFiles.ts';
import { untilSignal } from './untilSignal.ts';

/** Delay (ms) before a worker is replaced, so that one that cannot start does not keep the machine busy. */
const RESTART_DELAY = 1000;

/** A worker ended before it listened. It has printed the reason itself. */
export class WorkerFailed extends Error {}

/** Whether this process is a worker. */
export function isWorker({ workers }: Config): boolean {
  return workers > 1 && cluster.isWorker;
}

/** A worker's message to the primary process: the file that was removed or replaced. */
type WorkerMessage = { gone?: string };

/**
 * Serves with several worker processes that share the port and the data directory. This process only supervises them:
 * it replaces each one that ends, or stops them all if a file is gone. Throws WorkerFailed if one cannot start.
 */
export async function serveWithWorkers(
  config: Config,
  { log }: { log: Logger },
): Promise<Omit<RunningServer, 'service'>> {
  const administrator = await prepare(config, log);
  const stopping = new AbortController();
  const { signal } = stopping;
  let gone: FileGone | undefined;
  const filesGone = new Promise<FileGone>((resolve) =>
    cluster.on('message', (_, { gone: file }: WorkerMessage) => {
      if (file === undefined || gone) return;
      stopping.abort();
      resolve((gone = new FileGone(file)));
    }),
  );

  async function supervise(first: RunningWorker): Promise<void> {
    for (let { worker, ended } = first; ; { worker, ended } = startWorker()) {
      const how = await ended;
      if (!signal.aborted) {
        log.warn({ worker: worker.process.pid, ...how }, 'a worker ended: another one takes its place');
        await sleep(RESTART_DELAY, undefined, { signal }).catch(() => undefined);
      }
      if (signal.aborted) return;
    }
  }

  try {
    // One before the others, so that a reason why workers cannot start is printed once.
    const first = startWorker();
    const port = await portOf(first);
    const others = Array.from({ length: config.workers - 1 }, startWorker);
    await Promise.all(others.map(portOf));
    const supervised = [first, ...others].map(supervise);
    return {
      port,
      rootUrl: rootUrlAt(config, port),
      ...administrator,
      filesGone,
      async stop() {
        stopping.abort();
        letGo();
        await Promise.all(supervised);
      },
    };
  } catch (error) {
    letGo();
    throw gone ?? error;
  }
}

/**
 * Runs a worker: serves until a signal arrives, the primary process is gone, or a file is gone. A worker reports a file
 * only to the primary process, which logs it once for all workers.
 */
export async function runWorker(config: Config, log: Logger): Promise<void> {
  const disconnectWorkers = untilDisconnected(cluster.worker!);
  try {
    const serving = await startServer(config, { log, prepared: true });
    const ending = await Promise.race([untilSignal(), disconnectWorkers, serving.filesGone]);
    if (ending instanceof FileGone) await reportFileGone(ending);
    else log.info({ signal: ending }, 'a worker stops: it answers the requests under way');
    await serving.stop();
  } catch (error) {
    if (!(error instanceof FileGone)) throw error;
    await reportFileGone(error);
  } finally {
    if (process.connected) process.disconnect();
  }
}

function reportFileGone({ file }: FileGone): Promise<void> {
  process.exitCode = 1;
  // Also resolves if sending fails: the primary process is gone then.
  return new Promise((resolve) => process.send!({ gone: file } satisfies WorkerMessage, () => resolve()));
}

/** `ended` resolves with the exit status once the worker has ended or could not be created. */
type RunningWorker = { worker: Worker; ended: Promise<object> };

function startWorker(): RunningWorker {
  const worker = cluster.fork();
  const ended = new Promise<object>((resolve) => {
    worker.once('exit', (code, signal) => {
      const how = { code, signal };
      // Its last messages must be handled first.
      if (worker.isConnected()) worker.once('disconnect', () => resolve(how));
      else resolve(how);
    });
    // A failed send to a dying worker is also an error; its exit follows.
    worker.on('error', (err) => worker.process.pid === undefined && resolve({ err }));
  });
  return { worker, ended };
}

function portOf({ worker, ended }: RunningWorker): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.once('listening', ({ port }) => resolve(port));
    void ended.then(() => reject(new WorkerFailed('a worker could not start')));
  });
}

/**
 * Tells all workers to stop, as the end of this process would. If they already got a signal, another one would end them
 * at once.
 */
function letGo(): void {
  for (const worker of Object.values(cluster.workers!))
    if (worker!.isConnected()) worker!.process.disconnect();
}

function untilDisconnected(worker: Worker): Promise<string> {
  // Otherwise Node ends the process at once, in the middle of its requests.
  worker.exitedAfterDisconnect = true;
  return new Promise((resolve) => worker.once('disconnect', () => resolve('disconnect')));
}
