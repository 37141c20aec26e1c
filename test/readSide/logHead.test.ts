import { chownSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ConfigError } from '../../src/config/configError.ts';
import { sqliteEventStore } from '../../src/eventStore/sqliteEventStore.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { recordLogHead, readLogHead, writeLogHead } from '../../src/readSide/logHead.ts';
import { inTransaction, openSqlite } from '../../src/storage/openSqlite.ts';
import { event, metadata } from '../contracts/eventStore.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'authledger-head-'));
  file = join(folder, 'log-head.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A log that notes how far it has come; `wrote` is told each time after the file was looked at, and perhaps written. */
async function open(wrote: () => void = () => undefined) {
  const db = openSqlite(join(folder, 'log.sqlite'), { synchronous: 'FULL' });
  const eventStore = sqliteEventStore({ db, validate: validateEvent });
  return recordLogHead(eventStore, {
    file,
    runExclusive: (work) => inTransaction(db, () => (work(), wrote())),
  });
}
type Log = Awaited<ReturnType<typeof open>>;

const append = async (log: Log): Promise<string> =>
  (await log.append([{ stream: 'roles', expectedRevision: 'any', events: [event()] }], metadata)).position;

describe('the file log-head.json', () => {
  test('holds the furthest position once the log is closed, for its owner only', async () => {
    const log = await open();
    await append(log);
    const last = await append(log);
    await log.close();
    expect(readLogHead(file)).toBe(last);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).filter((name) => name.startsWith('log-head'))).toEqual(['log-head.json']);
  });

  test('belongs to the owner of its folder, also when root writes it', async () => {
    if (process.getuid!() === 0) chownSync(folder, 12_345, 12_345);
    const log = await open();
    await append(log);
    await log.close();
    expect(statSync(file).uid).toBe(statSync(folder).uid);
    writeLogHead(file, readLogHead(file)!);
    expect(statSync(file).uid).toBe(statSync(folder).uid);
  });

  test('holds it within some seconds while the log stays open', async () => {
    const log = await open();
    const first = await append(log);
    expect(readLogHead(file)).toBeUndefined();
    while (readLogHead(file) !== first) await new Promise((resolve) => setTimeout(resolve, 50));
    const last = await append(log);
    while (readLogHead(file) !== last) await new Promise((resolve) => setTimeout(resolve, 50));
    await log.close();
  });

  test('is left alone while the log does not move', async () => {
    const log = await open();
    await append(log);
    await log.close();
    const { ino } = statSync(file);
    const again = await open();
    await again.head();
    await again.close();
    expect(statSync(file).ino).toBe(ino);
  });

  test('is written when a log that is further is opened, as after a crash', async () => {
    const log = await open();
    await append(log);
    await log.close();
    rmSync(file);
    const again = await open();
    const head = await again.head();
    await again.close();
    expect(readLogHead(file)).toBe(head);
  });

  test('never moves backwards, whichever process writes it last', async () => {
    const seen: string[] = [];
    const look = (): unknown => seen.push(readLogHead(file) ?? '');
    const logs = await Promise.all(Array.from({ length: 8 }, () => open(look)));
    let last = '';
    for (const log of logs) last = await append(log);
    // Those that close first have come furthest.
    await Promise.all(logs.reverse().map((log) => log.close()));
    expect(seen.length).toBe(logs.length);
    expect(seen).toEqual([...seen].sort());
    expect(readLogHead(file)).toBe(last);
  });

  test("is not overwritten where it is another log's", async () => {
    const other = `${'0'.repeat(12)}.${'1'.padStart(20, '0')}`;
    const log = await open();
    writeLogHead(file, other);
    await append(log);
    await log.close();
    expect(readLogHead(file)).toBe(other);
  });

  test('is refused by name where it holds no position', () => {
    for (const content of ['', '{}', '{"position":"x"}', 'x']) {
      writeFileSync(file, content);
      expect(() => readLogHead(file)).toThrow(ConfigError);
      expect(() => readLogHead(file)).toThrow(file);
    }
  });
});
