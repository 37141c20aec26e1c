import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/**
 * Imported into a server that is measured (`node --import`): on SIGUSR2 it writes the longest delay of its event loop since the
 * last time, in milliseconds, to the file that LOOP_DELAY_FILE names.
 */
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
process.on('SIGUSR2', () => {
  writeFileSync(process.env['LOOP_DELAY_FILE']!, (delay.max / 1e6).toFixed(1));
  delay.reset();
});
