/** Lets subscribers sleep until there may be something new. */
export function appendSignal() {
  const sleepers = new Set<() => void>();
  return {
    /** Resolves at the next `wake`, after `within` ms at the latest, or when the signal aborts. */
    sleep(within: number, signal: AbortSignal): Promise<void> {
      return new Promise((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          sleepers.delete(done);
          resolve();
        };
        const timer = setTimeout(done, within).unref();
        signal.addEventListener('abort', done, { once: true });
        sleepers.add(done);
        if (signal.aborted) done();
      });
    },
    wake(): void {
      for (const done of sleepers) done();
    },
  };
}
