import { mkdirSync } from 'node:fs';
import { KEY_FILE } from './keyFile.ts';
import { refuseLooseDataDir } from './permissions.ts';

/** The log. */
export const LOG_FILE = 'log.sqlite';
/** The furthest position of the log that any caller has seen, kept apart from the log itself. */
export const LOG_HEAD_FILE = 'log-head.json';
/** The read models of the embedded stores. They can be rebuilt from the log. */
export const READ_FILE = 'read.sqlite';
/** The sealed secrets. */
export const SECRETS_FILE = 'secrets.sqlite';
/** The nonces of signed changes. */
export const NONCES_FILE = 'nonces.sqlite';
/** The clientId and the access token of the generated administrator. */
export const ROOT_CREDENTIALS_FILE = 'root-credentials.json';

/** Files that must not be writable by others. Those that hold an unsealed secret must not be readable by others either. */
const FILES = [
  LOG_HEAD_FILE,
  ...[LOG_FILE, READ_FILE, SECRETS_FILE].flatMap((name) => ['', '-wal', '-shm'].map((end) => name + end)),
];
const FILES_WITH_SECRETS = [KEY_FILE, ROOT_CREDENTIALS_FILE];

/** Creates the data directory (mode 0700) if it is missing. Throws ConfigError if others may read or write what they must not. */
export function makeDataDirectory(
  dataDir: string,
  { allowLoosePermissions }: { allowLoosePermissions: boolean },
): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  if (!allowLoosePermissions) refuseLooseDataDir(dataDir, { files: FILES, secrets: FILES_WITH_SECRETS });
}
