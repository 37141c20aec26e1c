import type { ClientEvent } from '../schemas/events/clientEvents.ts';
import type { Projection } from '../src/projection.ts';

/** A client that was given an expiration date. */
export type ExpirationRow = { clientId: string };

/** The beginning of the keys of all clients that were ever to expire at a time. Such texts sort in the order of time. */
export function expirationPrefix(time: Date): string {
  return `${time.toJSON()}\n`;
}

/**
 * When clients were ever to expire. Keys are the date, a line feed, and the client. A row stays when the client gets
 * another date: whoever looks clients up here asks for their state at the moment in question.
 */
export const expirations: Projection<ExpirationRow, ClientEvent> = {
  name: 'expirations',
  version: 1,
  forgetsFormer: true,
  hasConstantRows: true,
  keys: ({ data }) => ('expires' in data ? [expirationPrefix(new Date(data.expires)) + data.clientId] : []),
  on: { ClientCreated: given, ClientUpdated: given },
};

function given(_: unknown, { data: { clientId } }: { data: { clientId: string } }): ExpirationRow {
  return { clientId };
}
