import { randomUUID } from 'node:crypto';
import { createRole } from '../../commands/createRole.ts';
import { importClient } from '../../commands/importClient.ts';
import { CLIENT_ID_PATTERN, MAX_ID_LENGTH, ROLE_ID_PATTERN } from '../../schemas/constants.ts';
import { requireWellFormedStrings } from '../http/requireWellFormedStrings.ts';
import { apiValidator } from '../http/validator.ts';
import { quoted } from '../config/configError.ts';
import { isStatic } from '../domain/client.ts';
import { runToCompletion } from '../domain/timeSliced.ts';
import { WorkBudget } from '../domain/workBudget.ts';
import type { Event } from '../event.ts';
import { encodeEvent } from '../eventStore/encodeEvent.ts';
import { validateEvent } from '../eventStore/validateEvent.ts';
import { systemContext } from '../writeSide/systemContext.ts';
import { DATE_TIME, isDateTime } from '../http/isDateTime.ts';

/** `source` is the file and the index of the entry. */
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
/** The entries of all files. Each of the `problems` names a file and an index. */
export type Entries = {
  roles: RoleEntry[];
  clients: ClientEntry[];
  skippedStatic: number;
  problems: string[];
};

const CLIENT_ID = new RegExp(CLIENT_ID_PATTERN);
const ROLE_ID = new RegExp(ROLE_ID_PATTERN);

/**
 * Reads Taskcluster exports: roles and clients as listRoles, listRoles2 and listClients of either dialect return them,
 * in UTF-8 with or without a byte-order mark. Every entry that it returns can be imported; an event that the log would
 * refuse is a problem too.
 */
export function readEntries(files: { name: string; content: Uint8Array }[], now: Date): Entries {
  const entries: Entries = { roles: [], clients: [], skippedStatic: 0, problems: [] };
  const seen = new Set<string>();
  for (const { name, content } of files) {
    const list = parseList(content);
    if (typeof list === 'string') entries.problems.push(`${name}: ${list}`);
    else
      list.forEach((entry, index) => {
        try {
          const id = addEntry(entries, { ...asEntry(entry), source: `${name}[${index}]` }, now);
          if (seen.has(id)) throw new Error(`${id} is there twice`);
          seen.add(id);
        } catch (error) {
          entries.problems.push(`${name}[${index}]: ${singleLine((error as Error).message)}`);
        }
      });
  }
  return entries;
}

/** It skips a byte-order mark. */
const utf8 = new TextDecoder('utf-8', { fatal: true });
const EXPECTED_FORMS =
  'a JSON array of roles or of clients, or {"roles": […]} or {"clients": […]} as the API replies';

/** A message, which may contain Markdown blocks, as a single line. */
export function singleLine(message: string): string {
  return message.replaceAll(/\n+/g, ' ');
}

/** The entries of a file, or a message that says what is wrong with it. */
function parseList(content: Uint8Array): unknown[] | string {
  let text: string;
  try {
    text = utf8.decode(content);
  } catch {
    return 'is not UTF-8';
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'is not valid JSON';
  }
  if (Array.isArray(value)) return value;
  if (!isObject(value)) return `must hold ${EXPECTED_FORMS}`;
  if ('continuationToken' in value)
    return 'holds a continuationToken, so it is one page of several: join the lists of all pages, and leave it out';
  const unknown = Object.keys(value).find((name) => name !== 'roles' && name !== 'clients');
  if (unknown !== undefined)
    return `has a property ${quoted(unknown)}, which is not known here: it must hold ${EXPECTED_FORMS}`;
  const [list, ...others] = Object.values(value);
  return Array.isArray(list) && others.length === 0 ? list : `must hold ${EXPECTED_FORMS}`;
}

type Entry = Record<string, unknown> & { source: string };

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asEntry(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : fail('must be a role or a client');
}

/** Returns the entry's kind and id. */
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
  apiValidator.checkInput('create-role-request', body);
  requireWellFormedStrings(body);
  const created = readDate(entry, 'created') ?? now.toJSON();
  const imported = { created, lastModified: readDate(entry, 'lastModified') ?? created };
  const role = { roleId, ...(body as Pick<RoleEntry, 'description' | 'scopes'>) };
  createRole.check!(role);
  refuseUnstorableEvents([{ type: 'RoleCreated', data: { ...role, imported } }]);
  return { ...role, ...imported, source: entry.source };
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
  apiValidator.checkInput('create-client-request', body);
  requireWellFormedStrings(body);
  if (typeof disabled !== 'boolean') throw new Error('disabled must be true or false');
  if (
    accessToken !== undefined &&
    !(typeof accessToken === 'string' && /^[a-zA-Z0-9_-]{22,66}$/.test(accessToken))
  ) {
    throw new Error('accessToken must be 22 to 66 characters of A-Z, a-z, 0-9, _ and -');
  }
  const created = readDate(entry, 'created') ?? now.toJSON();
  const lastModified = readDate(entry, 'lastModified') ?? created;
  const imported = { created, lastModified, lastRotated: readDate(entry, 'lastRotated') ?? created };
  const settings = body as Pick<ClientEntry, 'description' | 'expires' | 'scopes' | 'deleteOnExpiration'>;
  const client = { clientId, ...settings, expires: new Date(settings.expires).toJSON(), disabled };
  if (!isStatic(clientId)) {
    const input = { ...client, imported, credential: PLACEHOLDER_CREDENTIAL };
    importClient.check!(input);
    refuseUnstorableEvents(
      runToCompletion(importClient.decide(input, undefined, { now, work: new WorkBudget() })),
    );
  }
  return {
    ...client,
    ...imported,
    lastDateUsed: readDate(entry, 'lastDateUsed'),
    accessToken: accessToken as string | undefined,
  };
}

/** Has the size of a real one, for the check of the event's size. */
const PLACEHOLDER_CREDENTIAL = { id: randomUUID(), fingerprint: '0'.repeat(32) };

/** Throws InvalidEvent and EventTooLarge. An update of an entry is never larger than its creation. */
function refuseUnstorableEvents(events: Event[]): void {
  for (const event of events) {
    validateEvent(event);
    encodeEvent(event, systemContext('import').metadata);
  }
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
  return typeof value === 'string' && isDateTime(value)
    ? new Date(value).toJSON()
    : fail(`${name} must be ${DATE_TIME}`);
}

function fail(message: string): never {
  throw new Error(message);
}
