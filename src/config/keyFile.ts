import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { ConfigError } from './configError.ts';
import { readSecretKeys, type SecretKey } from './jsonSettings.ts';
import { createPrivateFile, replacePrivateFile } from '../process/privateFile.ts';

/** The generated key file's name, in the data directory. */
export const KEY_FILE = 'secret-keys.json';

/**
 * The keys of a generated key file, the current one first. Creates the file with one key if it is missing.
 * Throws ConfigError that names the file if it does not hold keys.
 */
export function keysInFile(file: string): SecretKey[] {
  createPrivateFile(file, encode([newKey()]));
  try {
    return readSecretKeys(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(`${file}: ${error.message}`);
    throw error;
  }
}

/** Atomically adds a new key to a key file. It becomes the current one. Returns its id. */
export function addKeyToFile(file: string): string {
  const key = newKey();
  replacePrivateFile(file, encode([key, ...keysInFile(file)]));
  return key.id;
}

/**
 * Returns a function that says whether the file has changed since the last call; another process may have added a key.
 */
export function changeDetector(file: string): () => boolean {
  const version = (): string => {
    const { ino, mtimeMs } = statSync(file);
    return `${ino} ${mtimeMs}`;
  };
  let known: string | undefined;
  return () => {
    const now = version();
    const changed = now !== known;
    known = now;
    return changed;
  };
}

function newKey(): SecretKey {
  return { id: randomUUID(), key: randomBytes(32) };
}

function encode(keys: SecretKey[]): string {
  return `${JSON.stringify(
    keys.map(({ id, key }) => ({ id, key: key.toString('base64') })),
    undefined,
    2,
  )}\n`;
}
