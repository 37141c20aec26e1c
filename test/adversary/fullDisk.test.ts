import { type ChildProcess, execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { rawRequest } from '../rawRequest.ts';
import { end, startServer } from '../runCommand.ts';
import { signedFetch } from '../signed.ts';
import { type Credentials, minutesFromNow, STATIC_CLIENTS } from '../startService.ts';
import { type Attacked, startAttacked } from './secondCaller.ts';

const MIB = 1024 * 1024;
/** More than the reserve, which is a quarter of the disk. */
const FILLER = 40 * MIB;

/** A disk in memory of so many megabytes; undefined where this user may not have one. */
function makeDisk(mebibytes: number): string | undefined {
  const path = mkdtempSync(join(tmpdir(), 'authledger-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'none', path], { stdio: 'pipe' });
    return path;
  } catch (error) {
    rmdirSync(path);
    if (process.env['NO_TEST_SKIP'] === '1') throw error;
    return undefined;
  }
}

function removeDisk(path: string): void {
  execFileSync('umount', ['-l', path]);
  rmdirSync(path);
}

/** What others write to the same disk, to its last byte. */
function fill(disk: string): void {
  for (let size = MIB; size > 0;) {
    try {
      appendFileSync(join(disk, 'filler'), Buffer.alloc(size, 1));
    } catch {
      size = Math.floor(size / 2);
    }
  }
}

const body = { description: '', expires: minutesFromNow(60), scopes: ['a'] };
/** 400 KB, as a caller may send them. */
const large = { ...body, scopes: Array.from({ length: 400 }, (_, i) => `x:${i}:${'y'.repeat(990)}`) };

/** Whether this user may have a disk of their own. */
function mayHaveDisks(): boolean {
  const disk = makeDisk(1);
  if (disk !== undefined) removeDisk(disk);
  return disk !== undefined;
}
const whereDisksAre = mayHaveDisks() ? describe : describe.skip;
let disk: string;
let attacked: Attacked;
let restarted: ChildProcess | undefined;
afterEach(async () => {
  if (restarted) await end(restarted);
  await attacked.stop();
  removeDisk(disk);
});

whereDisksAre('a caller who fills the disk', () => {
  test.each([
    ['one process', {}],
    ['two workers, with nonces to remember', { WORKERS: '2', REPLAY_PROTECTION: 'writes' }],
  ])('cannot keep others from taking rights away: %s', async (_, env) => {
    disk = makeDisk(96)!;
    // What goes again in the end.
    appendFileSync(join(disk, 'filler'), Buffer.alloc(FILLER, 1));
    const DATA_DIR = join(disk, 'data');
    attacked = await startAttacked({ DATA_DIR, ...env });
    let rootUrl = attacked.rootUrl;
    const at = (path: string): string => `${rootUrl}/api/auth/v1${path}`;
    const call = (method: string, path: string, sent?: object) =>
      signedFetch(at(path), attacked.root, { method, body: sent });
    const statusOf = async (method: string, path: string): Promise<number> =>
      (await call(method, path)).status;
    const heartbeat = () => rawRequest(at('/__heartbeat__'));
    const current = async (credentials: Credentials): Promise<number> =>
      (await signedFetch(at('/scopes/current'), credentials)).status;

    const tokens = new Map<string, Credentials>();
    for (let i = 0; i < 12; i += 1) {
      const clientId = `victim-${i}`;
      const { status, body: made } = await call('PUT', `/clients/${clientId}`, body);
      expect(status).toBe(200);
      tokens.set(clientId, { clientId, accessToken: made['accessToken']! });
    }
    for (let i = 0; i < 5; i += 1) await call('PUT', `/roles/r-${i}`, { description: '', scopes: ['a'] });
    expect(await heartbeat()).toMatchObject({ status: 200, text: '{}' });

    const warnings = new Set<string>();
    let refused;
    for (let i = 0; i < 200 && !refused; i += 1) {
      const beat = (await heartbeat()).body as { warning?: string };
      if (beat.warning !== undefined) warnings.add(beat.warning);
      const reply = await call('PUT', `/clients/large-${i}`, large);
      if (reply.status !== 200) refused = reply;
    }
    expect(refused).toMatchObject({ status: 503, body: { code: 'ServiceUnavailable' } });
    expect([...warnings]).toContainEqual(
      expect.stringMatching(/^space is low: \d+ MiB are left on the disk/),
    );
    fill(disk);

    for (let i = 0; i < 4; i += 1) {
      expect([i, await statusOf('POST', `/clients/victim-${i}/disable`)]).toEqual([i, 200]);
      expect(await statusOf('DELETE', `/clients/victim-${4 + i}`)).toBe(204);
      const reset = await call('POST', `/clients/victim-${8 + i}/reset`);
      expect(reset.status).toBe(200);
      const clientId = `victim-${8 + i}`;
      expect(await current(tokens.get(clientId)!)).toBe(401);
      expect(await current({ clientId, accessToken: reset.body['accessToken']! })).not.toBe(401);
      tokens.set(clientId, { clientId, accessToken: reset.body['accessToken']! });
    }
    for (const i of [0, 1, 2]) expect(await statusOf('DELETE', `/roles/r-${i}`)).toBe(204);
    for (let i = 0; i < 8; i += 1) expect(await current(tokens.get(`victim-${i}`)!)).toBe(401);

    // On the reserve, nothing is created, however small.
    expect((await call('PUT', '/clients/small', body)).status).toBe(503);
    expect((await call('PUT', '/roles/small', { description: '', scopes: [] })).status).toBe(503);
    expect((await heartbeat()).status).toBe(503);
    // It lasts.
    for (let i = 0; i < 100; i += 1)
      expect(await statusOf('POST', `/clients/victim-${8 + (i % 4)}/reset`)).toBe(200);
    expect(Object.keys(attacked.answers())).toEqual(['auth-success']);

    // A start needs no more space than there is.
    await end(attacked.child, 'SIGKILL');
    const again = await startServer({ DATA_DIR, STATIC_CLIENTS, ...env });
    restarted = again.child;
    ({ rootUrl } = again);
    expect(await statusOf('POST', '/clients/victim-9/disable')).toBe(200);
    expect((await call('PUT', '/clients/small', body)).status).toBe(503);

    rmSync(join(disk, 'filler'));
    for (let i = 0; i < 100 && (await heartbeat()).status !== 200; i += 1) await sleep(200);
    expect((await heartbeat()).status).toBe(200);
    expect((await call('PUT', '/clients/small', body)).status).toBe(200);
  });
});
