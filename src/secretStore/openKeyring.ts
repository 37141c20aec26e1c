import { join } from 'node:path';
import { addKeyToFile, changeDetector, KEY_FILE, keysInFile } from '../config/keyFile.ts';
import type { Config } from '../config/config.ts';
import { type Keyring, keyring } from './keyring.ts';

/**
 * The keyring over the configured keys or, without any, over the generated key file in the data directory, which is created if
 * it is missing. `addKey` adds a key to that file and returns its id; it is undefined if the keys are configured. Throws
 * ConfigError if the file does not hold keys.
 */
export function openKeyring({ dataDir, secretKeys }: Pick<Config, 'dataDir' | 'secretKeys'>): {
  keys: Keyring;
  addKey: (() => string) | undefined;
} {
  if (secretKeys) return { keys: keyring(() => secretKeys), addKey: undefined };
  const file = join(dataDir, KEY_FILE);
  return {
    keys: keyring(() => keysInFile(file), changeDetector(file)),
    addKey: () => addKeyToFile(file),
  };
}
