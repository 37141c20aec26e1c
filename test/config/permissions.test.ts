import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { refuseLooseDataDir } from '../../src/config/permissions.ts';
import { startService, type TestService } from '../startService.ts';

const modeOf = (path: string): number => statSync(path).mode & 0o7777;
const unset = { STATIC_CLIENTS: undefined as unknown as string };
let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'authledger-permissions-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

describe('a start', () => {
  let running: TestService | undefined;
  const start = async (env: Record<string, string> = {}): Promise<void> => {
    running = await startService({ ...unset, ...env }, dataDir);
  };
  beforeEach(async () => {
    await start();
    await running!.stop();
    running = undefined;
  });
  afterEach(() => running?.stop());

  test.each([
    ['log.sqlite', 0o660, /only its owner may be able to write it/],
    ['secrets.sqlite', 0o602, /only its owner may be able to write it/],
    ['read.sqlite', 0o620, /only its owner may be able to write it/],
    ['log-head.json', 0o664, /only its owner may be able to write it/],
    ['secret-keys.json', 0o620, /only its owner may be able to write it/],
    ['secret-keys.json', 0o604, /holds a secret that others have been able to read/],
    ['root-credentials.json', 0o644, /holds a secret that others have been able to read/],
  ])('refuses %s with mode %o, naming path and mode', async (name, mode, message) => {
    const file = join(dataDir, name);
    expect(modeOf(file)).toBe(0o600);
    chmodSync(file, mode);
    const named = expect.stringContaining(`${file} has mode 0${mode.toString(8)}`) as unknown;
    await expect(start()).rejects.toMatchObject({ message: named });
    await expect(start()).rejects.toThrow(message);
    await expect(start()).rejects.toThrow(/ALLOW_LOOSE_PERMISSIONS=true/);
    await start({ ALLOW_LOOSE_PERMISSIONS: 'true' });
  });

  test('sets a directory of its own to 0700, unless that is turned off', async () => {
    chmodSync(dataDir, 0o777);
    await start({ ALLOW_LOOSE_PERMISSIONS: 'true' });
    expect(modeOf(dataDir)).toBe(0o777);
    await running!.stop();
    await start();
    expect(modeOf(dataDir)).toBe(0o700);
  });
});

describe('a data directory', () => {
  const none = { files: [], secrets: [] };
  const others = { ...none, owner: statSync(tmpdir()).uid + 4711 };

  test('of somebody else that anybody may write is refused, and left as it is', () => {
    chmodSync(dataDir, 0o777);
    expect(() => refuseLooseDataDir(dataDir, others)).toThrow(`DATA_DIR ${dataDir} has mode 0777`);
    expect(modeOf(dataDir)).toBe(0o777);
  });

  test.each([0o1777, 0o775, 0o755])('of somebody else with mode %o is taken, and left as it is', (mode) => {
    chmodSync(dataDir, mode);
    refuseLooseDataDir(dataDir, others);
    expect(modeOf(dataDir)).toBe(mode);
  });

  test('of ours that is for several owners, as /tmp is, is left as it is', () => {
    chmodSync(dataDir, 0o1777);
    refuseLooseDataDir(dataDir, none);
    expect(modeOf(dataDir)).toBe(0o1777);
  });

  test('may lack files', () => {
    const file = join(dataDir, 'there');
    writeFileSync(file, '', { mode: 0o600 });
    refuseLooseDataDir(dataDir, { files: ['not-there'], secrets: ['there', 'neither'] });
    expect(existsSync(file)).toBe(true);
  });
});
