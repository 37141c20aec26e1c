import type { ClientEvent, Credential } from '../../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../../schemas/events/roleEvents.ts';

/** The values of a client or role that its events set; none while there is no such client or role. */
export type EntityValues = {
  description?: string;
  expires?: string;
  deleteOnExpiration?: boolean;
  disabled?: boolean;
  /** Which access token the client has. It holds no secret. */
  credential?: Credential;
  scopes?: readonly string[];
};
export type ValueName = keyof EntityValues;

/** One value that an event changed. Without `before` it is new, without `after` it is gone. */
export type FieldChange = {
  field: Exclude<ValueName, 'scopes'>;
  before?: string | boolean | Credential;
  after?: string | boolean | Credential;
};
/** What an event changed: single values, and scopes in the order in which they are listed. */
export type Changes = { changes: FieldChange[]; scopesAdded: string[]; scopesRemoved: string[] };

/** An event of a client or a role: its type and data. */
export type EntityEvent = Pick<ClientEvent | RoleEvent, 'type' | 'data'>;

const FIELDS = ['description', 'expires', 'deleteOnExpiration', 'disabled', 'credential'] as const;
const ALL: readonly ValueName[] = [...FIELDS, 'scopes'];

/** The values that an event sets; undefined if it ends the client or role. */
export function valuesSetBy(event: EntityEvent): EntityValues | undefined {
  const { type, data } = event as ClientEvent | RoleEvent;
  switch (type) {
    case 'ClientCreated': {
      const { description, expires, deleteOnExpiration, scopes, credential } = data;
      return { description, expires, deleteOnExpiration, disabled: false, credential, scopes };
    }
    case 'ClientUpdated': {
      const { description, expires, deleteOnExpiration, scopes } = data;
      return { description, expires, deleteOnExpiration, ...(scopes && { scopes }) };
    }
    case 'ClientEnabled':
      return { disabled: false };
    case 'ClientDisabled':
      return { disabled: true };
    case 'AccessTokenReset':
      return { credential: data.credential };
    case 'RoleCreated':
    case 'RoleUpdated':
      return { description: data.description, scopes: data.scopes };
    case 'ClientDeleted':
    case 'ClientExpired':
    case 'RoleDeleted':
      return undefined;
  }
}

/** The own scopes after an event; none after a deletion, undefined if it leaves them as they are. */
export function scopesAfter(event: EntityEvent): readonly string[] | undefined {
  const values = valuesSetBy(event);
  return values ? values.scopes : [];
}

/** The names of the values that must be known from before an event, to say what it changed. */
export function valuesNeededBefore(event: EntityEvent): readonly ValueName[] {
  if (isCreation(event)) return [];
  const set = valuesSetBy(event);
  return set ? (Object.keys(set) as ValueName[]) : ALL;
}

/** What an event changed, given the values from before it that it needs. */
export function changesOf(event: EntityEvent, before: EntityValues): Changes {
  const after = valuesSetBy(event) ?? {};
  const concerned = new Set(isCreation(event) ? Object.keys(after) : valuesNeededBefore(event));
  return {
    changes: FIELDS.filter((field) => concerned.has(field) && !isEqual(before[field], after[field])).map(
      (field) => ({
        field,
        ...(before[field] !== undefined && { before: before[field] }),
        ...(after[field] !== undefined && { after: after[field] }),
      }),
    ),
    ...(concerned.has('scopes')
      ? {
          scopesAdded: without(after.scopes, before.scopes),
          scopesRemoved: without(before.scopes, after.scopes),
        }
      : { scopesAdded: [], scopesRemoved: [] }),
  };
}

/** Values from before an event, as far as they are known when its stream is read backwards from it. */
export class FormerValues {
  readonly values: EntityValues = {};
  #unknown: Set<ValueName>;

  constructor(event: EntityEvent) {
    this.#unknown = new Set(valuesNeededBefore(event));
  }

  get areKnown(): boolean {
    return this.#unknown.size === 0;
  }

  /** Takes what the next older event tells. */
  learnFrom(older: EntityEvent): void {
    const set = valuesSetBy(older);
    for (const name of this.#unknown) {
      if (set?.[name] === undefined) continue;
      Object.assign(this.values, { [name]: set[name] });
      this.#unknown.delete(name);
    }
    // What came before a creation, or before an end, is of another life.
    if (!set || isCreation(older)) this.#unknown.clear();
  }
}

/** Whether an event began a life of a client or role. */
export function isCreation({ type }: EntityEvent): boolean {
  return type === 'ClientCreated' || type === 'RoleCreated';
}

function isEqual(one: FieldChange['before'], other: FieldChange['before']): boolean {
  if (typeof one !== 'object' || typeof other !== 'object') return one === other;
  return one.id === other.id && one.fingerprint === other.fingerprint;
}

function without(scopes: readonly string[] = [], others: readonly string[] = []): string[] {
  const known = new Set(others);
  return scopes.filter((scope) => !known.has(scope));
}
