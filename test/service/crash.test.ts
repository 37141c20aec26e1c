import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from '@jest/globals';
import { allProjections } from '../../src/readSide/projector.ts';
import { tableOf } from '../../src/projection.ts';
import { rebuild } from '../../src/readSide/rebuild.ts';
import { inStores } from '../inStores.ts';
import { rounds } from '../rounds.ts';
import { end, startServer } from '../runCommand.ts';
import { STATIC_CLIENTS } from '../startService.ts';
import { checkAll, type Known, write } from '../writers.ts';
import { rowsOf } from '../allRows.ts';

const CRASHES = rounds(10, 50);
const WRITERS = 6;
const dataDir = mkdtempSync(join(tmpdir(), 'authledger-crash-'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

/** The lease of the process that crashed has to run out, before the next one writes the tables. */
function untilTablesAreWritten(): Promise<void> {
  return inStores({ DATA_DIR: dataDir }, async ({ eventStore, readStore }) => {
    const head = await eventStore.head();
    for (const table of allProjections.map(tableOf))
      while ((await readStore.checkpoint(table)) !== head) await sleep(50);
  });
}

test(`nothing acknowledged is lost, and nothing is half done, through ${CRASHES} crashes under load`, async () => {
  const env = { DATA_DIR: dataDir, STATIC_CLIENTS, LOG_LEVEL: 'warn', READ_ACCESS: 'guarded' };
  const all = new Map<string, Known>();
  const acknowledged = (): number => [...all.values()].filter(({ certain }) => certain).length;
  for (let crash = 0; crash <= CRASHES; crash += 1) {
    const { child, rootUrl, output } = await startServer({ ...env, LOG_LEVEL: 'info' });
    await checkAll(rootUrl, [...all.values()].slice(-80));
    expect(output()).not.toMatch(/internal error/);
    if (crash === CRASHES) {
      await checkAll(rootUrl, all.values());
      await untilTablesAreWritten();
      await end(child);
      break;
    }
    const target = { rootUrl: () => rootUrl, isOver: () => child.signalCode !== null };
    const writers = Array.from({ length: WRITERS }, (_, i) => write(target, all, `c${crash}/w${i}`));
    // On a busy machine, nothing may come of the time alone.
    while (acknowledged() <= crash + WRITERS && child.exitCode === null) await sleep(5);
    await sleep(20 + Math.random() * 180);
    await end(child, 'SIGKILL');
    await Promise.all(writers);
  }
  expect(acknowledged()).toBeGreaterThan(CRASHES);

  await inStores({ DATA_DIR: dataDir }, async (stores) => {
    const before = await rowsOf(stores.readStore, allProjections);
    await rebuild(allProjections, stores);
    expect(before).toEqual(await rowsOf(stores.readStore, allProjections));
  });
}, 600_000);
