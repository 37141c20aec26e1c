import type { ClientEvent } from '../schemas/events/clientEvents.ts';
import type { Projection } from '../src/projection.ts';

/**
 * A client with more scopes at a time has one row, instead of one for each: a change of a large client would cost far more
 * to write here than in the log.
 */
export const MANY_SCOPES = 200;
/** Stands for the scopes of clients that ever had many. No scope contains a control character. */
export const ANY_OF_MANY = '\x01';
/** The value of all rows. There are so many that one for each would take memory while they are written. */
const ROW: ClientScopesRow = Object.freeze({});

/** That a client was given a scope: the key says which. */
export type ClientScopesRow = Record<string, never>;

/** The prefix of the keys of all clients that were ever given a scope. No scope contains a line feed. */
export function scopePrefix(scope: string): string {
  return `${scope}\n`;
}

/** The client in the key of a row. No id contains a line feed. */
export function clientGiven(key: string): string {
  return key.slice(key.lastIndexOf('\n') + 1);
}

/**
 * Which clients were ever given a scope of their own. Keys are the scope, a line feed, and the client; for a client with
 * many scopes, `ANY_OF_MANY` instead of the scope. A row stays when the client loses the scope: whoever looks clients up
 * here asks for their state at the moment in question.
 */
export const clientScopes: Projection<ClientScopesRow, ClientEvent> = {
  name: 'client-scopes',
  version: 1,
  forgetsFormer: true,
  hasConstantRows: true,
  keys: ({ data }) =>
    'scopes' in data ? indexed(data.scopes).map((scope) => scopePrefix(scope) + data.clientId) : [],
  on: { ClientCreated: given, ClientUpdated: given },
};

function indexed(scopes: readonly string[] = []): readonly string[] {
  return scopes.length > MANY_SCOPES ? [ANY_OF_MANY] : scopes;
}

function given(): ClientScopesRow {
  return ROW;
}
