import cliProgress from 'cli-progress';

/** A progress bar on standard error. If that is not a terminal, it prints a line every 5 s. */
export function progressBar(
  what: string,
  total: number,
): { update(done: number, total?: number): void; stop(): void } {
  const bar = new cliProgress.SingleBar({
    format: `${what} [{bar}] {percentage}% | {value}/{total} | {eta_formatted} left`,
    stream: process.stderr,
    noTTYOutput: true,
    notTTYSchedule: 5000,
    hideCursor: true,
  });
  bar.start(total, 0);
  return {
    update(done, outOf) {
      if (outOf !== undefined) bar.setTotal(outOf);
      bar.update(done);
    },
    stop: () => bar.stop(),
  };
}
