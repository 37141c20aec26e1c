/** Wakes subscribers when there may be new events. */
export function appendSignal() {
  const waiters = new Set<() => void>();
  return {
    /** Resolves at the next `notify`, after `timeout` ms at the latest, or when the signal aborts. */
    wait(timeout: number, signal: AbortSignal): Promise<void> {
      return new Promise((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          waiters.delete(done);
          resolve();
        };
        const timer = setTimeout(done, timeout).unref();
        signal.addEventListener('abort', done, { once: true });
        waiters.add(done);
        if (signal.aborted) done();
      });
    },
    notify(): void {
      for (const done of waiters) done();
    },
  };
}
