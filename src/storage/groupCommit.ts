/**
 * Group commit: jobs that arrive in the same turn of the event loop run in one transaction and share its commit. Jobs
 * are synchronous and run in order, each with a result of its own.
 *
 * A job that throws fails alone. If the commit throws, all jobs fail. They also all fail if a job throws and the
 * transaction is no longer open: the database has rolled it back by itself, as it does when the disk is full.
 */
export function groupCommit<Result>(
  inTransaction: (work: () => void) => void,
  isTransactionOpen: () => boolean,
) {
  type PendingJob = {
    job: () => Result;
    resolve: (result: Result) => void;
    reject: (error: unknown) => void;
  };
  let pending: PendingJob[] = [];
  let idle = Promise.resolve();
  let resolveIdle: (() => void) | undefined;

  function flush(): void {
    const group = pending;
    pending = [];
    const settle: (() => void)[] = [];
    try {
      inTransaction(() => {
        for (const { job, resolve, reject } of group) {
          try {
            const result = job();
            settle.push(() => resolve(result));
          } catch (error) {
            if (!isTransactionOpen()) throw error;
            settle.push(() => reject(error));
          }
        }
      });
      settle.forEach((settleJob) => settleJob());
    } catch (error) {
      group.forEach(({ reject }) => reject(error));
    }
    resolveIdle!();
  }

  return {
    /** Resolves with the job's result once it is committed. A job that throws must have changed nothing. */
    run(job: () => Result): Promise<Result> {
      if (pending.length === 0) {
        idle = new Promise((resolve) => (resolveIdle = resolve));
        setImmediate(flush);
      }
      return new Promise((resolve, reject) => pending.push({ job, resolve, reject }));
    },
    /** Resolves when no job is pending. */
    idle: (): Promise<void> => idle,
  };
}
