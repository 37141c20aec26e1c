import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createPrivateFile } from '../process/privateFile.ts';
import { randomToken } from '../secretStore/newSecret.ts';
import { ConfigError } from '../config/configError.ts';
import { ROOT_CREDENTIALS_FILE } from '../config/dataDirectory.ts';
import type { StaticClient } from '../config/jsonSettings.ts';

/** The administrator's client that a service without STATIC_CLIENTS generates. */
export const ROOT_CLIENT_ID = 'static/taskcluster/root';

/** The path of the file with the generated administrator's clientId and token. */
export function rootCredentialsFile(dataDir: string): string {
  return join(dataDir, ROOT_CREDENTIALS_FILE);
}

/**
 * The administrator's client with the token in `root-credentials.json` of the data directory. Creates the file (mode
 * 0600) if it is missing. Throws ConfigError if the file does not hold credentials.
 */
export function rootClient(dataDir: string): StaticClient {
  const file = rootCredentialsFile(dataDir);
  createPrivateFile(file, rootCredentials(randomToken()));
  const { accessToken } = parse(file) as { accessToken?: unknown };
  if (typeof accessToken !== 'string' || !/^[a-zA-Z0-9_-]{22,66}$/.test(accessToken)) {
    throw new ConfigError(`${file} holds no accessToken: restore it, or remove it to have a new one made`);
  }
  const description = 'Made at the first start, for the administrator. Set STATIC_CLIENTS to replace it.';
  return { clientId: ROOT_CLIENT_ID, accessToken, description, scopes: ['*'] };
}

/** The content of such a file. */
export function rootCredentials(accessToken: string): string {
  return `${JSON.stringify({ clientId: ROOT_CLIENT_ID, accessToken }, undefined, 2)}\n`;
}

function parse(file: string): object {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as object;
  } catch (error) {
    throw new ConfigError(
      `${file} cannot be read as JSON (${(error as NodeJS.ErrnoException).code ?? 'malformed'})`,
    );
  }
}
