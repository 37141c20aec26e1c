import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { readConfig, redactedConfig } from '../../src/config/config.ts';
import { STATIC_CLIENTS } from '../startService.ts';
import { guardedServices } from '../../src/services/guardedServices.ts';

const folder = mkdtempSync(join(tmpdir(), 'authledger-files-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const key = Buffer.alloc(32, 7).toString('base64');
const TEXTS: Record<string, string> = {
  STATIC_CLIENTS,
  SECRET_KEYS: JSON.stringify([{ id: 'k', key }]),
  WEBSOCKTUNNEL: JSON.stringify({ secret: 's'.repeat(32) }),
};

function fileOf(text: string, mode = 0o400): string {
  const path = join(folder, 'setting.json');
  rmSync(path, { force: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

describe.each(Object.keys(TEXTS))('%s in a file', (variable) => {
  const text = TEXTS[variable]!;
  const inFile = (file: string, env = {}) =>
    readConfig(guardedServices, { [`${variable}_FILE`]: file, ...env });

  test('is what it is in the variable', () => {
    expect(inFile(fileOf(`${text}\n`))).toEqual(readConfig(guardedServices, { [variable]: text }));
    const shown = JSON.stringify(redactedConfig(guardedServices, inFile(fileOf(text))));
    for (const secret of ['root-token', key.slice(0, 8), 'ssss']) expect(shown).not.toContain(secret);
  });

  test('may be readable for all, as mounted secrets are, also behind a link', () => {
    const link = join(folder, 'link');
    rmSync(link, { force: true });
    symlinkSync(fileOf(text, 0o444), link);
    expect(inFile(link)).toEqual(readConfig(guardedServices, { [variable]: text }));
  });

  test.each([0o620, 0o602, 0o666])('is refused where others may write it: mode %o', (mode) => {
    const file = fileOf(text, mode);
    const shown = `0${mode.toString(8)}`;
    expect(() => inFile(file)).toThrow(`${variable}_FILE: ${file} has mode ${shown}, and only its owner`);
    const loose = { ALLOW_LOOSE_PERMISSIONS: 'true' };
    expect(inFile(file, loose)).toEqual(readConfig(guardedServices, { [variable]: text, ...loose }));
  });

  test('is refused where both are set, where there is none, and where it is empty or wrong', () => {
    const both = { [variable]: text };
    expect(() => inFile(fileOf(text), both)).toThrow(`${variable} and ${variable}_FILE are both set`);
    expect(() => inFile(join(folder, 'none'))).toThrow(`${variable}_FILE must name a file that can be read`);
    expect(() => inFile(fileOf(''))).toThrow(new RegExp(`^${variable}:? is not valid JSON`));
    expect(() => inFile(fileOf('{]'))).toThrow(new RegExp(`^${variable}:? is not valid JSON`));
  });
});

test('what is wrong in files is named together with all else', () => {
  const env = {
    STATIC_CLIENTS_FILE: '/nowhere',
    SECRET_KEYS_FILE: '/nowhere',
    STATSUM_FILE: '/nowhere',
    PORT: 'x',
  };
  expect(() => readConfig(guardedServices, env)).toThrow(
    /PORT[^]*STATIC_CLIENTS_FILE[^]*SECRET_KEYS_FILE[^]*STATSUM_FILE/,
  );
});
