import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { NonceStore } from '../../src/nonceStore/nonceStore.ts';
import { sqliteNonceStore } from '../../src/nonceStore/sqliteNonceStore.ts';
import { openSqlite } from '../../src/storage/openSqlite.ts';

const start = Date.now();
const MINUTE = 60_000;
let directory: string;
const stores: NonceStore[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'authledger-nonces-'));
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  rmSync(directory, { recursive: true });
});

const file = (): string => join(directory, 'nonces.sqlite');
function open(maxPerSigner = 100, maxTotal?: number) {
  const db = openSqlite(file(), { synchronous: 'NORMAL' });
  const store = sqliteNonceStore({ db, maxPerSigner, maxTotal });
  stores.push(store);
  /** Remembers a nonce for half an hour, so many minutes from the start. */
  return (signer: string, nonce: string, minute = 0) => {
    const now = start + minute * MINUTE;
    return store.remember({ signer, nonce, until: now + 30 * MINUTE }, new Date(now));
  };
}

describe('a nonce', () => {
  test('is new once, for each signer, in all processes and after a restart', async () => {
    const [one, other] = [open(), open()];
    expect(await one('a', 'n')).toBe('new');
    expect(await one('a', 'n')).toBe('seen');
    expect(await other('a', 'n')).toBe('seen');
    expect(await other('b', 'n')).toBe('new');
    expect(await one('b', 'n')).toBe('seen');
    for (const store of stores.splice(0)) await store.close();
    expect(await open()('a', 'n')).toBe('seen');
  });

  test('is forgotten when its time is over, and not before', async () => {
    const remember = open();
    await remember('a', 'n');
    expect(await remember('a', 'n', 30)).toBe('seen');
    expect(await remember('a', 'n', 31)).toBe('new');
  });

  test('finds no room with a signer that has as many as it may, and room again later; others do', async () => {
    const remember = open(3);
    for (const nonce of ['1', '2', '3']) expect(await remember('a', nonce)).toBe('new');
    expect(await remember('a', '4')).toBe('full');
    expect(await remember('a', '1')).toBe('seen');
    expect(await remember('b', '1')).toBe('new');
    expect(await remember('a', '4', 31)).toBe('new');
  });

  test('of one with few finds room though those with many fill the store', async () => {
    const remember = open(100, 20);
    for (let i = 0; i < 20; i += 1) expect(await remember(i % 2 ? 'a' : 'b', String(i))).toBe('new');
    expect(await remember('a', 'more')).toBe('full');
    expect(await remember('c', 'first')).toBe('new');
    expect(await remember('c', 'second')).toBe('new');
  });

  test('takes no more room for being long', async () => {
    const remember = open(2000);
    for (let i = 0; i < 1000; i += 1) await remember('s'.repeat(1000), `${i}${'n'.repeat(16_000)}`);
    const bytes = statSync(file()).size + statSync(`${file()}-wal`).size;
    expect(bytes).toBeLessThan(5_000_000);
  });
});
