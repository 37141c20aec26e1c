import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ConfigError, readSecretKeys, type SecretKey } from '../config.ts';
import { createPrivateFile, replacePrivateFile } from '../privateFile.ts';

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

function newKey(): SecretKey {
  return { id: randomUUID(), key: randomBytes(32) };
}

function encode(keys: SecretKey[]): string {
  return `${JSON.stringify(keys.map(({ id, key }) => ({ id, key: key.toString('base64') })), undefined, 2)}\n`;
}
