import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from '@jest/globals';
import { inStores } from '../inStores.ts';
import { startCommand } from '../runCommand.ts';

const folder = mkdtempSync(join(tmpdir(), 'authledger-background-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const env = { DATA_DIR: join(folder, 'data') };
const EVENTS = 20_000;
const LOWEST = 19;

/** Linux shows the nice value of each thread of a process. */
const onLinux = existsSync('/proc') || process.env['NO_TEST_SKIP'] === '1' ? test : test.skip;

/** What the process runs that a command started to do its work; undefined where there is none yet, or any more. */
function workerOf(pid: number): number | undefined {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return children === '' ? undefined : Number(children.split(' ')[0]);
  } catch {
    return undefined;
  }
}

/** The nice values of all threads of a process; none where it is gone. */
function niceOf(pid: number): number[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    return threads.map((thread) => {
      const afterName = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8').split(') ')[1]!;
      return Number(afterName.split(' ')[16]);
    });
  } catch {
    return [];
  }
}

onLinux(
  'a command that reads the whole log goes last, with all its threads, once it takes long (skipped where there is no /proc)',
  async () => {
    await inStores(env, async ({ eventStore }) => {
      for (let n = 0; n < EVENTS; n += 1000) {
        const events = Array.from({ length: 1000 }, (_, i) => ({
          id: randomUUID(),
          type: 'RoleCreated',
          data: { roleId: `r/${n + i}`, description: 'x'.repeat(200), scopes: [] },
        }));
        await eventStore.append([{ stream: 'roles', expectedRevision: 'any', events }], {
          actor: 'me',
          at: '2026-01-01T00:00:00.000Z',
          requestId: 'r',
        });
      }
    });
    const child = startCommand(['history', '--json'], env);
    const ended = once(child, 'exit');
    child.stdout!.resume();
    let seen: number[] = [];
    while (child.exitCode === null && !(seen.length > 1 && seen.every((nice) => nice === LOWEST))) {
      await sleep(5);
      const worker = workerOf(child.pid!);
      seen = worker === undefined ? [] : niceOf(worker);
    }
    expect(seen.length).toBeGreaterThan(1);
    expect(new Set(seen)).toEqual(new Set([LOWEST]));
    child.kill();
    await ended;
  },
);
