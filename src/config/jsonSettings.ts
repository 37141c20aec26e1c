import {
  ACCESS_TOKEN_PATTERN,
  CLIENT_ID_PATTERN,
  INTERNAL_PREFIX,
  MAX_DESCRIPTION_LENGTH,
  MAX_ID_LENGTH,
  STATIC_PREFIX,
} from '../../schemas/constants.ts';
import { PUBLISHED_STATIC_SCOPES } from '../../schemas/publishedStaticScopes.ts';
import { quoted, invalid } from './configError.ts';
import { isValidScope } from '../domain/scopes.ts';
import { isWellFormed } from '../domain/wellFormed.ts';

/** An AES-256 key (32 bytes) with its id. */
export type SecretKey = { id: string; key: Buffer };

export type StaticClient = { clientId: string; accessToken: string; description: string; scopes: string[] };

/** Reads the keys in SECRET_KEYS or in the key file. Throws ConfigError that names the invalid entry by index. */
export function readSecretKeys(text: string): SecretKey[] {
  const keys = readArray(text).map((entry, i) => {
    const { id, key, ...others } = asObject(entry, `[${i}]`);
    if (typeof id !== 'string' || !/^[A-Za-z0-9_.-]{1,64}$/.test(id))
      invalid(`[${i}].id must be 1 to 64 of A-Z, a-z, 0-9, _ . -`);
    const bytes = typeof key === 'string' ? Buffer.from(key, 'base64') : Buffer.alloc(0);
    if (bytes.length !== 32) invalid(`[${i}].key must be base64 of 32 bytes`);
    refuseUnknownProperties(others, `[${i}]`);
    return { id, key: bytes };
  });
  if (keys.length === 0) invalid('must hold at least one key');
  if (new Set(keys.map(({ id }) => id)).size < keys.length) invalid('two keys have the same id');
  return keys;
}

/**
 * Reads STATIC_CLIENTS. An entry without scopes gets those that Taskcluster publishes for its clientId. Throws
 * ConfigError that names the invalid entry by index and clientId, never a token.
 */
export function readStaticClients(text: string): StaticClient[] {
  const clients = readArray(text).map(readStaticClient);
  const twice = clients.find(
    ({ clientId }, i) => clients.findIndex((each) => each.clientId === clientId) !== i,
  );
  if (twice) invalid(`${twice.clientId} is there twice`);
  return clients;
}

function readStaticClient(entry: unknown, i: number): StaticClient {
  const { clientId, accessToken, ...settings } = asObject(entry, `[${i}]`);
  if (
    typeof clientId !== 'string' ||
    !new RegExp(CLIENT_ID_PATTERN).test(clientId) ||
    clientId.length > MAX_ID_LENGTH
  ) {
    return invalid(`[${i}].clientId must match ${CLIENT_ID_PATTERN}`);
  }
  const name = `[${i}] (${clientId})`;
  if (!clientId.startsWith(STATIC_PREFIX)) invalid(`${name}: clientId must start with ${STATIC_PREFIX}`);
  if (clientId.startsWith(INTERNAL_PREFIX))
    invalid(`${name}: clientIds that start with ${INTERNAL_PREFIX} are this service's own`);
  if (typeof accessToken !== 'string' || !new RegExp(ACCESS_TOKEN_PATTERN).test(accessToken)) {
    return invalid(`${name}: accessToken must be 22 to 66 characters of A-Z, a-z, 0-9, _ and -`);
  }
  const defaults = 'scopes' in settings ? { description: '' } : publishedSettings(clientId, name);
  const { description, scopes, ...others }: Record<string, unknown> = { ...defaults, ...settings };
  if (typeof description !== 'string' || description.length > MAX_DESCRIPTION_LENGTH) {
    return invalid(`${name}: description must be a text of at most ${MAX_DESCRIPTION_LENGTH} characters`);
  }
  if (!isWellFormed(description))
    invalid(
      `${name}: description must be well-formed Unicode: without half of a surrogate pair, and without NUL`,
    );
  const isScope = (scope: unknown): scope is string => isValidScope(scope) && !scope.endsWith('**');
  if (!Array.isArray(scopes) || !scopes.every(isScope))
    return invalid(`${name}: scopes must be an array of scopes that do not end in **`);
  refuseUnknownProperties(others, name);
  return { clientId, accessToken, description, scopes };
}

/** The settings that Taskcluster itself gives to a client that is configured with a token only. */
function publishedSettings(clientId: string, name: string): Pick<StaticClient, 'description' | 'scopes'> {
  const scopes = PUBLISHED_STATIC_SCOPES[clientId];
  if (scopes) return { description: 'Internal client', scopes: [...scopes] };
  const known = Object.keys(PUBLISHED_STATIC_SCOPES).join(', ');
  return invalid(`${name}: scopes must be given, as only these clients have published ones: ${known}`);
}

function readArray(text: string): unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return invalid('is not valid JSON');
  }
  return Array.isArray(value) ? (value as unknown[]) : invalid('must be a JSON array');
}

function asObject(value: unknown, name: string): Record<string, unknown> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as Record<string, unknown>) : invalid(`${name} must be an object`);
}

function refuseUnknownProperties(others: Record<string, unknown>, name: string): void {
  const [other] = Object.keys(others);
  if (other !== undefined) invalid(`${name} has a property ${quoted(other)}, which is not known here`);
}
