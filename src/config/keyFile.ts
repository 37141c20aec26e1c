import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { ConfigError } from './configError.ts';
import { readSecretKeys, type SecretKey } from './jsonSettings.ts';
import { createPrivateFile, replacePrivateFile } from '../process/privateFile.ts';

/** The generated key file's name, in the data directory. */
export const KEY_FILE = 'secret-keys.json';

/**
 * The keys of a generated key file, the current one first; makes the file, with one key, where there is none.
 * Throws ConfigError naming the file when it does not hold keys.
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

/** Adds a new key to a key file, which becomes the current one, in one step. Answers its id. */
export function addKeyToFile(file: string): string {
  const key = newKey();
  replacePrivateFile(file, encode([key, ...keysInFile(file)]));
  return key.id;
}

/** Says, each time it is asked, whether another process has put new keys into the file since it was last asked. */
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
