/** A mutex for each name: jobs of one name run one after the other, jobs of different names concurrently. */
export function keyedMutex() {
  const last = new Map<string, Promise<unknown>>();
  return function runExclusive<T>(name: string, job: () => Promise<T>): Promise<T> {
    const turn = (last.get(name) ?? Promise.resolve()).then(job, job);
    last.set(name, turn);
    const leave = (): void => {
      if (last.get(name) === turn) last.delete(name);
    };
    turn.then(leave, leave);
    return turn;
  };
}
