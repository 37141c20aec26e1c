import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { acceptRewrittenHistory } from '../../src/cli/acceptRewrittenHistory.ts';
import { openStores } from '../../src/compose.ts';
import { readConfig } from '../../src/config/config.ts';
import { LAST_USED_TABLE } from '../../src/readSide/lastUsed.ts';
import { actorHistory } from '../../projections/actorHistory.ts';
import { allProjections } from '../../src/readSide/projector.ts';
import { tableOf } from '../../src/projection.ts';
import { PUBLISHER_TABLE } from '../../src/publisher/publish.ts';
import { RewrittenHistory } from '../../src/readSide/rewrittenHistory.ts';
import { event, metadata } from '../contracts/eventStore.ts';
import { inStores } from '../inStores.ts';
import { end, runCommand } from '../runCommand.ts';
import { servicesInFolder } from '../servicesInFolder.ts';
import { authorizationFor, signedFetch } from '../signed.ts';
import { minutesFromNow, ROOT } from '../startService.ts';
import { guardedServices } from '../../src/services/guardedServices.ts';

const { folder, dataDir, env, file, start } = servicesInFolder('rewritten');
const backup = (name: string): string => join(folder, 'backup', name);
const headFile = (): string => readFileSync(file('log-head.json'), 'utf8');
const at = (position: string): number => Number(position.split('.')[1]);

/** A log of so many events in files, with its tables, of which the backup has the first ones only. */
async function fill({ kept, lost }: { kept: number; lost: number }): Promise<string> {
  let position = '';
  const append = async (): Promise<void> =>
    inStores(env, async ({ eventStore, readStore }) => {
      const write = { stream: 'credentials-statsum', expectedRevision: 'any' as const, events: [event()] };
      ({ position } = await eventStore.append([write], metadata));
      for (const projection of allProjections) await readStore.commit(tableOf(projection), [], position);
    });
  for (let i = 0; i < kept; i += 1) await append();
  cpSync(dataDir, join(folder, 'backup'), { recursive: true });
  for (let i = 0; i < lost; i += 1) await append();
  return position;
}
const restoreLog = (): void => cpSync(backup('log.sqlite'), file('log.sqlite'));
const open = (): Promise<void> => inStores(env, async () => undefined);

describe('a log that lacks what it had is refused', () => {
  test('if it is behind the read models', async () => {
    const last = await fill({ kept: 2, lost: 1 });
    restoreLog();
    rmSync(file('log-head.json'));
    await expect(open()).rejects.toThrow(RewrittenHistory);
    await expect(open()).rejects.toThrow(`read.sqlite (table ${tableOf(actorHistory)}) is at ${last}`);
  });

  test('if it is behind log-head.json, even if the read models were removed', async () => {
    const last = await fill({ kept: 2, lost: 1 });
    restoreLog();
    rmSync(file('read.sqlite'));
    await expect(open()).rejects.toThrow(`log-head.json is at ${last}`);
    await expect(open()).rejects.toThrow(
      /log\.sqlite ends at [^]*An older backup[^]*--accept-rewritten-history REASON/,
    );
    // Nobody who opens it is any the wiser the second time.
    await expect(open()).rejects.toThrow(RewrittenHistory);
  });

  test('if it is another log than that of these files', async () => {
    await fill({ kept: 1, lost: 1 });
    const other = join(folder, 'other');
    await inStores({ ...env, DATA_DIR: other }, async () => undefined);
    for (const witness of ['log-head.json', 'read.sqlite']) {
      cpSync(join(other, 'log.sqlite'), file('log.sqlite'));
      const hidden = witness === 'read.sqlite' ? 'log-head.json' : 'read.sqlite';
      cpSync(file(hidden), join(folder, hidden));
      rmSync(file(hidden));
      await expect(open()).rejects.toThrow(
        /is the log [0-9a-f]{12}, and (log-head\.json|read\.sqlite).*of another log/,
      );
      cpSync(join(folder, hidden), file(hidden));
    }
  });

  test.each([
    ['read.sqlite', ['secrets.sqlite', 'log-head.json']],
    ['secrets.sqlite', ['read.sqlite', 'log-head.json']],
    ['log-head.json', ['read.sqlite', 'secrets.sqlite']],
  ])('as it is not there, while %s is; and none is made', async (left, removed) => {
    await fill({ kept: 1, lost: 0 });
    await inStores(env, ({ secretStore }) =>
      secretStore.put({ clientId: 'a', credentialId: 'c' }, 'a token'),
    );
    for (const name of ['log.sqlite', ...removed]) rmSync(file(name));
    await expect(open()).rejects.toThrow(
      `there is no log.sqlite in ${dataDir}, and ${left} of a log that was there`,
    );
    expect(existsSync(file('log.sqlite'))).toBe(false);
  });

  test('and not one that was not closed, though its log-head.json is behind', async () => {
    await fill({ kept: 1, lost: 0 });
    const before = headFile();
    await fill({ kept: 0, lost: 1 });
    cpSync(backup('log-head.json'), file('log-head.json'));
    expect(headFile()).toBe(before);
    await open();
  });

  test('and not one beside which an operator has confirmed the clock, which is no place in the log', async () => {
    for (let i = 0; i < 2; i += 1)
      expect(await runCommand(['purge-expired'], env)).toMatchObject({ code: 0 });
    await open();
  });

  test('and not one whose other files were never there, or are all removed', async () => {
    await open();
    for (const name of ['log.sqlite', 'read.sqlite', 'secrets.sqlite']) rmSync(file(name));
    await open();
    await fill({ kept: 2, lost: 1 });
    for (const name of ['read.sqlite', 'secrets.sqlite', 'log-head.json']) rmSync(file(name));
    restoreLog();
    await open();
  });
});

describe('a log that is accepted all the same', () => {
  const lines: { msg: string; reason: string; level: number; publisherAfter: string }[] = [];
  beforeEach(() => void lines.splice(0));
  const accept = (reason = 'the disk was lost', more: Record<string, string> = {}): Promise<void> =>
    acceptRewrittenHistory(readConfig(guardedServices, { ...env, ...more }), {
      reason,
      log: pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line) as never) }),
    });

  test.each([
    { kept: 5, published: 3, after: 3, words: /after event 3, where it was/ },
    { kept: 5, published: 5, after: 5, words: /after event 5, where it was/ },
    { kept: 5, published: 7, after: 5, words: /after event 5, the last one: .* got 2 events more/ },
    { kept: 5, published: undefined, after: 0, words: /nothing was published yet/ },
  ])(
    'has a new id, no read models, and the publisher at the same event or at the end: %p',
    async ({ kept, published, after, words }) => {
      const last = await fill({ kept, lost: 3 });
      const used = {
        key: 'a',
        value: { at: '2026-01-01T00:00:00.000Z' },
        position: '2026-01-01T00:00:00.000Z',
      };
      await inStores(env, async ({ readStore, eventStore }) => {
        await readStore.commit(LAST_USED_TABLE, [used], used.position);
        if (published === undefined) return;
        const place = eventStore.start.slice(0, -1) + String(published);
        await readStore.commit(PUBLISHER_TABLE, [{ key: 'failure', value: {}, position: place }], place);
      });
      restoreLog();
      await accept();
      await inStores(env, async ({ eventStore, readStore }) => {
        expect(last.startsWith(eventStore.logId)).toBe(false);
        expect(at(await eventStore.head())).toBe(kept);
        expect(headFile()).toBe(`${JSON.stringify({ position: await eventStore.head() })}\n`);
        const tables = published === undefined ? [LAST_USED_TABLE] : [LAST_USED_TABLE, PUBLISHER_TABLE];
        expect(await readStore.tables()).toEqual(tables);
        expect(await readStore.get(LAST_USED_TABLE, 'a')).toEqual(used);
        expect(await readStore.get(PUBLISHER_TABLE, 'failure')).toBeUndefined();
        const place = (await readStore.checkpoint(PUBLISHER_TABLE)) ?? eventStore.start;
        expect(place).toBe(eventStore.start.slice(0, -1) + String(after));
        expect(lines).toMatchObject([{ level: 40, reason: 'the disk was lost', publisherAfter: place }]);
        expect(lines[0]!.msg).toMatch(words);
      });
    },
  );

  test('is not renamed for the same reason again, unless it lacks something again', async () => {
    await fill({ kept: 1, lost: 1 });
    restoreLog();
    const idOf = (): Promise<string> => inStores(env, async ({ eventStore }) => eventStore.logId);
    await accept();
    const first = await idOf();
    await accept();
    expect(await idOf()).toBe(first);
    await accept('another reason');
    const second = await idOf();
    expect(second).not.toBe(first);
    restoreLog();
    await accept('another reason');
    expect(await idOf()).not.toBe(second);
  });

  test('makes the publisher begin again where it was of a log that this one does not come from', async () => {
    await fill({ kept: 1, lost: 0 });
    await inStores(env, ({ readStore }) =>
      readStore.commit(PUBLISHER_TABLE, [], `${'0'.repeat(12)}.${'1'.padStart(20, '0')}`),
    );
    await accept();
    expect(lines[0]!.msg).toMatch(/of another log: it begins at the first event, and repeats/);
    await inStores(env, async ({ readStore }) =>
      expect(await readStore.checkpoint(PUBLISHER_TABLE)).toBeUndefined(),
    );
  });

  test('is refused while anybody has it open, and for a shared log', async () => {
    await fill({ kept: 1, lost: 1 });
    restoreLog();
    rmSync(file('log-head.json'));
    rmSync(file('read.sqlite'));
    const stores = await openStores(readConfig(guardedServices, env));
    await expect(accept()).rejects.toThrow(/log\.sqlite is open in another process .*: stop the service/);
    await stores.eventStore.append(
      [{ stream: 'roles', expectedRevision: 'any', events: [event()] }],
      metadata,
    );
    await stores.close();
    await accept();
    const shared = {
      EVENT_STORE_URL: 'kurrentdb://host:2113',
      READ_STORE_URL: 'mongodb://host',
      SECRET_KEYS: JSON.stringify([{ id: 'k', key: Buffer.alloc(32).toString('base64') }]),
    };
    await expect(accept('because', shared)).rejects.toThrow(
      /--accept-rewritten-history is for a log in a file/,
    );
  });

  test('where there is none is refused', async () => {
    await fill({ kept: 1, lost: 0 });
    rmSync(file('log.sqlite'));
    await expect(accept()).rejects.toThrow(/there is no log\.sqlite/);
  });
});

const settings = { description: '', expires: minutesFromNow(60), scopes: ['auth:current-scopes'] };

/** Creates a client, and answers the position of that. */
async function create(rootUrl: string, clientId: string): Promise<string> {
  const url = `${rootUrl}/api/auth/v1/clients/${clientId}`;
  const headers = { authorization: authorizationFor(url, 'PUT', ROOT), 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'PUT', headers, body: JSON.stringify(settings) });
  expect(response.status).toBe(200);
  return response.headers.get('auth-position')!;
}

async function statusAtLeast(rootUrl: string, position: string): Promise<number> {
  const url = `${rootUrl}/api/auth/v1/clients/kept`;
  const headers = { authorization: authorizationFor(url, 'GET', ROOT), 'auth-at-least': position };
  return (await fetch(url, { headers })).status;
}

describe('a service', () => {
  test.each<Record<string, string>>([{}, { WORKERS: '2' }])(
    'whose log was restored from an older backup is refused, and goes on under a new id at the word of its operator: %p',
    async (more) => {
      const first = await start();
      const kept = await create(first.rootUrl, 'kept');
      await end(first.child);
      cpSync(dataDir, join(folder, 'backup'), { recursive: true });
      const second = await start();
      const lost = await create(second.rootUrl, 'lost');
      await end(second.child);
      restoreLog();
      rmSync(file('read.sqlite'));

      for (const command of [['serve'], ['import', '/dev/null'], ['keys', 'rotate'], ['purge-expired']]) {
        const { code, stderr } = await runCommand(command, { ...env, ...more, PORT: '0' });
        expect(code).toBe(1);
        expect(stderr).toMatch(/^authledger: log\.sqlite ends at .*, and log-head\.json is at /);
      }

      const options = ['--accept-rewritten-history', 'restored on Monday'];
      const { child, output, rootUrl } = await start(more, options);
      expect(output()).toMatch(/"level":"warn"[^\n]*"reason":"restored on Monday"[^\n]*under the new id/);
      // Events come to the position that was lost: it is another log's all the same.
      const next = await create(rootUrl, 'next');
      expect(at(next)).toBeGreaterThanOrEqual(at(lost));
      expect(await statusAtLeast(rootUrl, lost)).toBe(400);
      expect(await statusAtLeast(rootUrl, kept)).toBe(400);
      expect(await statusAtLeast(rootUrl, next)).toBe(200);
      const { body } = await signedFetch(`${rootUrl}/api/auth/v1/clients/`, ROOT);
      const ids = (body['clients'] as unknown as { clientId: string }[]).map(({ clientId }) => clientId);
      expect(ids).toEqual(['kept', 'next', 'static/root']);
      await end(child);
      const again = await start(more, options);
      expect(await statusAtLeast(again.rootUrl, next)).toBe(200);
    },
  );

  test('that is killed while it is written to starts again', async () => {
    for (let round = 0; round < 6; round += 1) {
      const { child, rootUrl } = await start();
      for (let i = 0; i < 5; i += 1) await create(rootUrl, `c-${round}-${i}`);
      await sleep(round * 250);
      await create(rootUrl, `c-${round}-last`);
      await end(child, 'SIGKILL');
    }
    await start();
  });

  test('needs a reason', async () => {
    for (const reason of ['', ' ', 'x'.repeat(1001)]) {
      const { code, stderr } = await runCommand(['serve', '--accept-rewritten-history', reason], env);
      expect(code).toBe(1);
      expect(stderr).toMatch(/must say why/);
    }
  });
});
