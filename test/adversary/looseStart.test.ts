import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runCommand } from '../runCommand.ts';
import { type Attacked, startAttacked } from './secondCaller.ts';

let service: Attacked;
const dataDir = mkdtempSync(join(tmpdir(), 'authledger-loose-'));
beforeAll(async () => {
  service = await startAttacked();
});
afterAll(async () => {
  await service.stop();
  rmSync(dataDir, { recursive: true });
});

test('what others of this machine may have tampered with or read is not started on, and who runs beside it goes on', async () => {
  const keys = join(service.dataDir, 'secret-keys.json');
  for (const mode of [0o622, 0o604]) {
    chmodSync(keys, mode);
    const { stderr, code } = await runCommand(['serve'], { DATA_DIR: service.dataDir, PORT: '0' });
    expect(code).toBe(1);
    expect(stderr).toContain(`authledger: ${keys} has mode 0${mode.toString(8)}`);
  }
  const WEBSOCKTUNNEL = JSON.stringify({ secret: 'canary-of-31-bytes-0123456789-0' });
  const short = await runCommand(['serve'], { DATA_DIR: dataDir, PORT: '0', WEBSOCKTUNNEL });
  expect(short).toMatchObject({ code: 1, stderr: expect.stringContaining('ALLOW_SHORT_SECRETS') });
  expect(short.stderr).not.toContain('canary');
  expect(Object.keys(service.answers())).toEqual(['auth-success']);
}, 30_000);
