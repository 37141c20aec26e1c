import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { DISK_RESERVE_FILE, openDiskReserve } from '../../src/storage/diskReserve.ts';
import { StoreFull, StoreUnavailable } from '../../src/storage/storeErrors.ts';
import { isRevocation } from '../../src/writeSide/isRevocation.ts';
import { rawRequest } from '../rawRequest.ts';
import { signedFetch } from '../signed.ts';
import { minutesFromNow, ROOT, startService } from '../startService.ts';

const BYTES = 1024 * 1024;
const log = pino({ level: 'silent' });
let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'authledger-reserve-'));
  file = join(directory, DISK_RESERVE_FILE);
});
afterEach(() => rmSync(directory, { recursive: true }));

const keep = (bytes = BYTES) => openDiskReserve(directory, { bytes, log });
/** A write to a disk that is full while the reserve is on it. */
const toFullDisk = async (): Promise<string> => {
  if (statSync(file, { throwIfNoEntry: false })) throw new StoreFull('the disk is full');
  return 'written';
};

describe('the reserve for a full disk', () => {
  test('is a file of so many bytes that are really on the disk, for its owner only', async () => {
    const reserve = await keep();
    const { size, blocks, mode } = statSync(file);
    expect(size).toBe(BYTES);
    expect(blocks * 512).toBeGreaterThanOrEqual(BYTES);
    expect(mode & 0o777).toBe(0o600);
    await reserve.close();
  });

  test('is released for writes that take rights away, and then nothing else is written', async () => {
    const reserve = await keep();
    await expect(reserve.runWrite(false, toFullDisk)).rejects.toThrow('the disk is full');
    expect(reserve.isUsed()).toBe(false);
    expect(await reserve.runWrite(true, toFullDisk)).toBe('written');
    expect(reserve.isUsed()).toBe(true);
    let written = false;
    const other = reserve.runWrite(false, async () => (written = true));
    await expect(other).rejects.toThrow(/clients can be disabled, deleted and given new tokens/);
    await expect(other).rejects.toBeInstanceOf(StoreUnavailable);
    expect(written).toBe(false);
    expect(await reserve.runWrite(true, toFullDisk)).toBe('written');
    await reserve.close();
  });

  test('stays where a write fails for another reason', async () => {
    const reserve = await keep();
    const failing = () => Promise.reject(new StoreUnavailable('busy'));
    await expect(reserve.runWrite(true, failing)).rejects.toThrow('busy');
    expect(reserve.isUsed()).toBe(false);
    await reserve.close();
  });

  test('is one for all processes on the directory', async () => {
    const [one, other] = [await keep(), await keep()];
    await one.runWrite(true, toFullDisk);
    expect(other.isUsed()).toBe(true);
    expect(await other.runWrite(true, toFullDisk)).toBe('written');
    await Promise.all([one.close(), other.close()]);
  });

  test('is made again where there is space', async () => {
    const reserve = await keep();
    await reserve.runWrite(true, toFullDisk);
    while (reserve.isUsed()) await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await reserve.runWrite(false, async () => 'written')).toBe('written');
    await reserve.close();
  });

  test('is made whole where a process ended while it made it, or it is to be larger', async () => {
    writeFileSync(file, 'x');
    const small = await keep();
    expect(small.isUsed()).toBe(false);
    await small.close();
    const large = await keep(2 * BYTES);
    expect(statSync(file).size).toBe(2 * BYTES);
    await large.close();
  });

  test('is not kept if it is turned off', async () => {
    const reserve = await keep(0);
    expect(statSync(file, { throwIfNoEntry: false })).toBeUndefined();
    expect(await reserve.runWrite(false, async () => 'written')).toBe('written');
    expect([reserve.isUsed(), reserve.warning()]).toEqual([false, undefined]);
    await reserve.close();
  });
});

test('only events that grant nothing are written on the reserve', () => {
  const event = (type: string) => ({ type, data: {} });
  for (const type of ['ClientDisabled', 'ClientDeleted', 'ClientExpired', 'AccessTokenReset', 'RoleDeleted'])
    expect(isRevocation([event(type)])).toBe(true);
  for (const type of ['ClientCreated', 'ClientUpdated', 'ClientEnabled', 'RoleCreated', 'RoleUpdated'])
    expect(isRevocation([event('ClientDeleted'), event(type)])).toBe(false);
});

test('while the reserve is in use, the service says so, creates nothing, and takes rights away', async () => {
  const service = await startService();
  try {
    const at = (path: string): string => `${service.rootUrl}/api/auth/v1${path}`;
    const body = { description: '', expires: minutesFromNow(60), scopes: [] };
    const create = (clientId: string) =>
      signedFetch(at(`/clients/${clientId}`), ROOT, { method: 'PUT', body });
    for (const clientId of ['a', 'b']) expect((await create(clientId)).status).toBe(200);
    rmSync(join(service.dataDir, DISK_RESERVE_FILE));
    const [heartbeat, created, disabled, reset, deleted] = await Promise.all([
      rawRequest(at('/__heartbeat__')),
      create('c'),
      signedFetch(at('/clients/a/disable'), ROOT, { method: 'POST' }),
      signedFetch(at('/clients/b/reset'), ROOT, { method: 'POST' }),
      signedFetch(at('/roles/x'), ROOT, { method: 'DELETE' }),
    ]);
    expect(heartbeat).toMatchObject({
      status: 503,
      body: { message: expect.stringContaining('reserve is in use') },
    });
    expect(created.status).toBe(503);
    expect(created.body['message']).toMatch(
      /^nothing was changed: the disk is full, and its reserve is in use/,
    );
    expect([disabled.status, reset.status, deleted.status]).toEqual([200, 200, 204]);
  } finally {
    await service.remove();
  }
});
