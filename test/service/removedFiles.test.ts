import { once } from 'node:events';
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { inStores } from '../inStores.ts';
import { runCommand, startCommand } from '../runCommand.ts';
import { servicesInFolder } from '../servicesInFolder.ts';
import { type Reply, signedFetch } from '../signed.ts';
import { minutesFromNow, ROOT, startService } from '../startService.ts';

const { folder, dataDir, env, file, start } = servicesInFolder('removed');
const away = (name: string): string => join(folder, name);

type Change = { clientId: string; accessToken: string; sentAt: number; status: number };
const WRITERS = 6;

/** Creates clients, several at a time, until the service is gone, and notes what came of each in `changes`. */
async function writeUntilGone(
  { child, rootUrl }: Awaited<ReturnType<typeof start>>,
  changes: Change[],
): Promise<void> {
  const body = { description: '', expires: minutesFromNow(60), scopes: ['auth:current-scopes'] };
  const writer = async (name: number): Promise<void> => {
    for (let i = 0; child.exitCode === null && child.signalCode === null; i += 1) {
      const clientId = `w${name}/${i}`;
      const sentAt = performance.now();
      const url = `${rootUrl}/api/auth/v1/clients/${encodeURIComponent(clientId)}`;
      const { status, body: made } = await signedFetch(url, ROOT, { method: 'PUT', body }).catch(
        (): Reply => ({ status: 0, body: {} }),
      );
      changes.push({ clientId, accessToken: made['accessToken'] ?? '', sentAt, status });
      if (status !== 200) await sleep(5);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, (_, name) => writer(name)));
}

/** Lets something happen to the files while a service is written to; what came of the changes, and of the service. */
async function whileWrittenTo(happens: () => void, more: Record<string, string> = {}) {
  const service = await start(more);
  const closed = once(service.child, 'close') as Promise<[number]>;
  const changes: Change[] = [];
  const writing = writeUntilGone(service, changes);
  while (changes.length < 5 * WRITERS) await sleep(10);
  happens();
  const happenedAt = performance.now();
  await writing;
  const [code] = await closed;
  const fatal = service
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { level: string; file: string; msg: string })
    .filter(({ level }) => level === 'fatal');
  return { changes, happenedAt, code, fatal };
}

/** A service that is started now knows every client that was answered, and none that was refused. */
async function expectAsAnswered(changes: Change[]): Promise<void> {
  const { rootUrl } = await start();
  const { body } = await signedFetch(`${rootUrl}/api/auth/v1/clients/`, ROOT);
  const known = new Set(
    (body['clients'] as unknown as { clientId: string }[]).map(({ clientId }) => clientId),
  );
  const of = (status: number): Change[] => changes.filter((change) => change.status === status);
  expect(of(200).filter(({ clientId }) => !known.has(clientId))).toEqual([]);
  expect(of(503).filter(({ clientId }) => known.has(clientId))).toEqual([]);
  for (const client of of(200))
    expect((await signedFetch(`${rootUrl}/api/auth/v1/scopes/current`, client)).status).toBe(200);
}

const WORKERS: Record<string, string>[] = [{}, { WORKERS: '2' }];

describe('a service whose files are removed or replaced', () => {
  test.each(WORKERS)(
    'refuses what comes after, and ends with the reason: log.sqlite removed, %p',
    async (more) => {
      const { changes, happenedAt, code, fatal } = await whileWrittenTo(
        () => rmSync(file('log.sqlite')),
        more,
      );
      expect(code).toBe(1);
      expect(fatal).toHaveLength(1);
      expect(fatal[0]).toMatchObject({
        file: file('log.sqlite'),
        msg: expect.stringMatching(/^log\.sqlite was removed or replaced .* put this one back, or a backup/),
      });
      const after = changes.filter(({ sentAt }) => sentAt > happenedAt).map(({ status }) => status);
      expect(after.length).toBeGreaterThan(0);
      expect([0, 503]).toEqual(expect.arrayContaining([...new Set(after)]));
      expect(existsSync(file('log.sqlite'))).toBe(false);
      const refused = await runCommand(['serve'], { ...env, PORT: '0' });
      expect(refused).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/there is no log\.sqlite in /),
      });
      expect(existsSync(file('log.sqlite'))).toBe(false);
    },
  );

  test.each(['log.sqlite', 'secrets.sqlite'])(
    'has all that it answered when %s is put back',
    async (name) => {
      const { changes, code } = await whileWrittenTo(() => renameSync(file(name), away(name)));
      expect(code).toBe(1);
      renameSync(away(name), file(name));
      await expectAsAnswered(changes);
    },
  );

  test.each(['log.sqlite-wal', 'log.sqlite-shm', 'secrets.sqlite-wal', 'read.sqlite', 'read.sqlite-wal'])(
    'has all that it answered without %s',
    async (name) => {
      const { changes, code, fatal } = await whileWrittenTo(() => rmSync(file(name)));
      expect(code).toBe(1);
      expect(fatal).toMatchObject([{ file: file(name) }]);
      await expectAsAnswered(changes);
    },
  );

  test('ends when nothing is asked of it, too', async () => {
    const { child, output } = await start({ WORKERS: '2' });
    const closed = once(child, 'close');
    renameSync(dataDir, away('renamed'));
    expect(await closed).toEqual([1, null]);
    expect(output().match(/"level":"fatal"/g)).toHaveLength(1);
    renameSync(away('renamed'), dataDir);
    await start();
  });

  test('answers 503 with the reason, what changes nothing too, and goes on to answer what needs no database', async () => {
    const service = await startService({}, dataDir);
    const create = (clientId: string) =>
      service.current()['createClient']!(clientId, {
        description: '',
        expires: minutesFromNow(5),
        scopes: [],
      });
    await create('before');
    rmSync(file('log.sqlite'));
    const reason = /log\.sqlite was removed or replaced while this service had it open/;
    await expect(create('after')).rejects.toMatchObject({
      statusCode: 503,
      body: { message: expect.stringMatching(/^nothing was changed: log\.sqlite was removed/) },
    });
    const { headers } = await fetch(`${service.rootUrl}/api/auth/v1/clients/before`);
    const lines = service.logged().split('\n');
    const ofRequest = lines.filter((line) => line.includes(`"requestId":"${headers.get('x-request-id')}"`));
    expect(ofRequest.map((line) => JSON.parse(line) as object)).toEqual([
      expect.objectContaining({ status: 503, reason: expect.stringMatching(reason) }),
    ]);
    await expect(service.current()['ping']!()).resolves.toMatchObject({ alive: true });
    expect((await service.filesGone).file).toBe(file('log.sqlite'));
    await service.remove();
  });
});

test('workers that are started anew make no file where one is gone: all end', async () => {
  const { child, rootUrl, output } = await start({ WORKERS: '2' });
  const closed = once(child, 'close');
  const workers = (): Set<number> =>
    new Set([...output().matchAll(/"pid":(\d+),"requestId"/g)].map(([, pid]) => Number(pid)));
  while (workers().size < 2) {
    await fetch(`${rootUrl}/api/auth/v1/ping`, { headers: { connection: 'close' } });
    await sleep(50);
  }
  for (const pid of workers()) process.kill(pid, 'SIGKILL');
  rmSync(file('log.sqlite'));
  expect(await closed).toEqual([1, null]);
  expect(output().match(/"level":"fatal"/g)).toHaveLength(1);
  expect(output()).toMatch(/log\.sqlite was removed or replaced/);
  expect(existsSync(file('log.sqlite'))).toBe(false);
});

test('an import ends where the log goes, and says so; what it had done is there when the log is back', async () => {
  const clients = Array.from({ length: 20_000 }, (_, i) => ({
    clientId: `many/${i}`,
    description: '',
    expires: minutesFromNow(10),
    scopes: [],
  }));
  writeFileSync(away('clients.json'), JSON.stringify(clients));
  const child = startCommand(['import', away('clients.json')], env);
  let told = '';
  child.stderr!.on('data', (part: Buffer) => (told += part.toString()));
  const countOf = (): Promise<number> =>
    inStores({ DATA_DIR: dataDir }, async ({ eventStore }) =>
      Number((await eventStore.head()).split('.')[1]),
    );
  while (!existsSync(file('log.sqlite')) || (await countOf()) < 100) await sleep(20);
  renameSync(file('log.sqlite'), away('log.sqlite'));
  const [code] = (await once(child, 'close')) as [number];
  expect(code).toBe(1);
  expect(told).toMatch(/what was imported until now stays \(\d+ entries\)/);
  expect(told).toMatch(/authledger: .*log\.sqlite was removed or replaced/);
  renameSync(away('log.sqlite'), file('log.sqlite'));
  const said = Number(/until now stays \((\d+) entries\)/.exec(told)![1]);
  expect(await countOf()).toBeGreaterThanOrEqual(said);
  expect(await countOf()).toBeLessThan(clients.length);
});
