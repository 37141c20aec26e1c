import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach } from '@jest/globals';
import { end, startServer } from './runCommand.ts';
import { STATIC_CLIENTS } from './startService.ts';

/**
 * A folder for the tests of one file, with a data directory `dataDir` in it that does not exist yet. After each test,
 * the services that it started with `start` are killed and the folder is emptied.
 */
export function servicesInFolder(name: string) {
  const folder = mkdtempSync(join(tmpdir(), `authledger-${name}-`));
  const dataDir = join(folder, 'data');
  const env: Record<string, string> = { DATA_DIR: dataDir, STATIC_CLIENTS, READ_ACCESS: 'guarded' };
  const started: ChildProcess[] = [];
  afterEach(async () => {
    await Promise.all(started.splice(0).map((child) => end(child, 'SIGKILL')));
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  return {
    folder,
    dataDir,
    env,
    /** The path of a file in the data directory. */
    file: (fileName: string): string => join(dataDir, fileName),
    /** Starts `authledger serve` over the data directory, with these settings besides `env`. */
    async start(more: Record<string, string> = {}, args: string[] = []) {
      const service = await startServer({ ...env, ...more }, args);
      started.push(service.child);
      return service;
    },
  };
}
