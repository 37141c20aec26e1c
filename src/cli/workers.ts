import cluster, { type Worker } from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { prepare, rootUrlAt, startServer, type RunningServer } from './startServer.ts';
import { FileGone } from '../storage/watchFiles.ts';
import { untilSignal } from './untilSignal.ts';

/** A worker that ended is replaced after this long (ms): one that cannot start must not keep the machine busy. */
const RESTART_DELAY = 1000;

/** A worker ended before it listened; why, it has told itself. */
export class WorkerFailed extends Error {}

/** Whether this process is one of several that serve together. */
export function isWorker({ workers }: Config): boolean {
  return workers > 1 && cluster.isWorker;
}

/** What a worker tells the process that started it: a file that was removed or replaced. */
type WorkerMessage = { gone?: string };

/**
 * Serves with several processes that share the port and the data directory, and replaces each that ends, unless it ends as a file
 * is gone: then none goes on. This process only watches over them. Throws WorkerFailed when one cannot start.
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
    // One ahead of the others: what keeps it from starting is told once.
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
 * What one of the workers does: it serves until it is told to stop, the process that started it is gone, or a file is. Of that it
 * tells nobody but the process that started it, as all workers notice.
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
  // Where it is not sent, nobody is there to be told.
  return new Promise((resolve) => process.send!({ gone: file } satisfies WorkerMessage, () => resolve()));
}

/** `ended` resolves, with how it ended, once the worker is gone or could not be made at all. */
type RunningWorker = { worker: Worker; ended: Promise<object> };

function startWorker(): RunningWorker {
  const worker = cluster.fork();
  const ended = new Promise<object>((resolve) => {
    worker.once('exit', (code, signal) => {
      const how = { code, signal };
      // What it told before is heard first.
      if (worker.isConnected()) worker.once('disconnect', () => resolve(how));
      else resolve(how);
    });
    // What could not be sent to a worker that is dying is an error too, and its exit follows.
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

/** Tells all workers to stop, as the end of this process would. A signal would be the second one where all had it already. */
function letGo(): void {
  for (const worker of Object.values(cluster.workers!))
    if (worker!.isConnected()) worker!.process.disconnect();
}

function untilDisconnected(worker: Worker): Promise<string> {
  // Else node ends the process at once, in the middle of its requests.
  worker.exitedAfterDisconnect = true;
  return new Promise((resolve) => worker.once('disconnect', () => resolve('disconnect')));
}
