import type { ClientEvent } from '../schemas/events/clientEvents.ts';
import type { Projection } from '../src/projection.ts';

/** A client that was given a scope. */
export type ClientScopesRow = { clientId: string };

/** The prefix of the keys of all clients that were ever given a scope. No scope contains a line feed. */
export function scopePrefix(scope: string): string {
  return `${scope}\n`;
}

/**
 * Which clients were ever given a scope of their own. Keys are the scope, a line feed, and the client. A row stays when
 * the client loses the scope: whoever looks clients up here asks for their state at the moment in question.
 */
export const clientScopes: Projection<ClientScopesRow, ClientEvent> = {
  name: 'client-scopes',
  version: 1,
  forgetsFormer: true,
  keys: ({ data }) =>
    'scopes' in data ? (data.scopes ?? []).map((scope) => scopePrefix(scope) + data.clientId) : [],
  on: { ClientCreated: given, ClientUpdated: given },
};

function given(_: unknown, { data: { clientId } }: { data: { clientId: string } }): ClientScopesRow {
  return { clientId };
}
