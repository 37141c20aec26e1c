/**
 * Lets jobs that come at the same time share one commit: `commit` is given all that wait, runs each in one transaction,
 * and answers a result for each, in their order. A job that throws inside is that job's own failure; a commit that throws
 * is everybody's, and so is a job that threw and left nothing `isOpen`: the database has taken the whole transaction back
 * by itself, as it does when a disk is full. Jobs are synchronous.
 */
export function groupCommit<Result>(inTransaction: (work: () => void) => void, isOpen: () => boolean) {
  type Waiting = { job: () => Result; resolve: (result: Result) => void; reject: (error: unknown) => void };
  let waiting: Waiting[] = [];
  let idle = Promise.resolve();
  let flushed: (() => void) | undefined;

  function flush(): void {
    const group = waiting;
    waiting = [];
    const settle: (() => void)[] = [];
    try {
      inTransaction(() => {
        for (const { job, resolve, reject } of group) {
          try {
            const result = job();
            settle.push(() => resolve(result));
          } catch (error) {
            if (!isOpen()) throw error;
            settle.push(() => reject(error));
          }
        }
      });
      settle.forEach((each) => each());
    } catch (error) {
      group.forEach(({ reject }) => reject(error));
    }
    flushed!();
  }

  return {
    /** Resolves with the job's result once it is committed. A job that throws must have changed nothing. */
    run(job: () => Result): Promise<Result> {
      if (waiting.length === 0) {
        idle = new Promise((resolve) => (flushed = resolve));
        setImmediate(flush);
      }
      return new Promise((resolve, reject) => waiting.push({ job, resolve, reject }));
    },
    /** Resolves when nothing waits. */
    idle: (): Promise<void> => idle,
  };
}
