import { createClient } from '../commands/createClient.ts';
import { createRole } from '../commands/createRole.ts';
import { CLIENT_ID_PATTERN, MAX_ID_LENGTH, ROLE_ID_PATTERN } from '../schemas/constants.ts';
import { validateInput } from './api/validate.ts';
import { isStatic } from './domain/client.ts';

/** `source` is the file and the index in it. */
export type RoleEntry = {
  roleId: string;
  description: string;
  scopes: string[];
  created: string;
  lastModified: string;
  source: string;
};
export type ClientEntry = {
  clientId: string;
  description: string;
  expires: string;
  deleteOnExpiration: boolean;
  scopes: string[];
  disabled: boolean;
  created: string;
  lastModified: string;
  lastRotated: string;
  lastDateUsed?: string;
  accessToken?: string;
};
/** What was read from files, checked as a whole; `problems` name a file and an index each. */
export type Entries = {
  roles: RoleEntry[];
  clients: ClientEntry[];
  skippedStatic: number;
  problems: string[];
};

const CLIENT_ID = new RegExp(CLIENT_ID_PATTERN);
const ROLE_ID = new RegExp(ROLE_ID_PATTERN);

/** Reads Taskcluster exports: JSON arrays of roles and of clients, as listRoles and listClients give them. */
export function readEntries(files: { name: string; text: string }[], now: Date): Entries {
  const entries: Entries = { roles: [], clients: [], skippedStatic: 0, problems: [] };
  const seen = new Set<string>();
  for (const { name, text } of files) {
    const array = parseArray(text);
    if (typeof array === 'string') entries.problems.push(`${name}: ${array}`);
    else
      array.forEach((entry, index) => {
        try {
          const id = addEntry(entries, { ...asEntry(entry), source: `${name}[${index}]` }, now);
          if (seen.has(id)) throw new Error(`${id} is there twice`);
          seen.add(id);
        } catch (error) {
          entries.problems.push(`${name}[${index}]: ${(error as Error).message.replaceAll('\n', ' ')}`);
        }
      });
  }
  return entries;
}

function parseArray(text: string): unknown[] | string {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : 'must hold a JSON array of roles or of clients';
  } catch {
    return 'is not valid JSON';
  }
}

type Entry = Record<string, unknown> & { source: string };

function asEntry(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error('must be a role or a client');
  return value as Record<string, unknown>;
}

/** Answers the entry's id, with what it is the id of. */
function addEntry(entries: Entries, entry: Entry, now: Date): string {
  if ('roleId' in entry) {
    const role = readRole(entry, now);
    entries.roles.push(role);
    return `role ${role.roleId}`;
  }
  if (!('clientId' in entry)) throw new Error('must have a roleId or a clientId');
  const client = readClient(entry, now);
  if (isStatic(client.clientId)) entries.skippedStatic += 1;
  else entries.clients.push(client);
  return `client ${client.clientId}`;
}

function readRole(entry: Entry, now: Date): RoleEntry {
  const roleId = readId(entry['roleId'], { name: 'roleId', pattern: ROLE_ID });
  const { description, scopes } = entry;
  const body = { description, scopes };
  validateInput('create-role-request', body);
  const created = readDate(entry, 'created') ?? now.toJSON();
  const role = { roleId, ...(body as Pick<RoleEntry, 'description' | 'scopes'>), created };
  createRole.check!(role);
  return { ...role, lastModified: readDate(entry, 'lastModified') ?? created, source: entry.source };
}

function readClient(entry: Record<string, unknown>, now: Date): ClientEntry {
  const clientId = readId(entry['clientId'], { name: 'clientId', pattern: CLIENT_ID });
  const {
    description,
    expires,
    scopes = [],
    deleteOnExpiration = false,
    disabled = false,
    accessToken,
  } = entry;
  const body = { description, expires, scopes, deleteOnExpiration };
  validateInput('create-client-request', body);
  if (typeof disabled !== 'boolean') throw new Error('disabled must be true or false');
  if (
    accessToken !== undefined &&
    !(typeof accessToken === 'string' && /^[a-zA-Z0-9_-]{22,66}$/.test(accessToken))
  ) {
    throw new Error('accessToken must be 22 to 66 characters of A-Z, a-z, 0-9, _ and -');
  }
  const created = readDate(entry, 'created') ?? now.toJSON();
  const lastModified = readDate(entry, 'lastModified') ?? created;
  const settings = body as Pick<ClientEntry, 'description' | 'expires' | 'scopes' | 'deleteOnExpiration'>;
  const credential = { id: '', fingerprint: '' };
  if (!isStatic(clientId)) createClient.check!({ clientId, ...settings, credential });
  return {
    clientId,
    ...settings,
    expires: new Date(settings.expires).toJSON(),
    disabled,
    created,
    lastModified,
    lastRotated: readDate(entry, 'lastRotated') ?? created,
    lastDateUsed: readDate(entry, 'lastDateUsed'),
    accessToken: accessToken as string | undefined,
  };
}

function readId(id: unknown, { name, pattern }: { name: string; pattern: RegExp }): string {
  if (typeof id !== 'string' || !pattern.test(id) || id.length > MAX_ID_LENGTH) {
    throw new Error(`${name} must match ${pattern.source} and be at most ${MAX_ID_LENGTH} characters long`);
  }
  return id;
}

function readDate(entry: Record<string, unknown>, name: string): string | undefined {
  const value = entry[name];
  if (value === undefined) return undefined;
  const date = new Date(typeof value === 'string' ? value : Number.NaN);
  if (Number.isNaN(date.getTime())) throw new Error(`${name} must be a date`);
  return date.toJSON();
}
