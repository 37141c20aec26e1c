import type { ClientEvent } from '../schemas/events/clientEvents.ts';
import type { Projection } from '../src/projection.ts';

/** That a client was given an expiration date: the key says which. */
export type ExpirationRow = Record<string, never>;

/** The value of all rows. There are so many that one for each would take memory while they are written. */
const ROW: ExpirationRow = Object.freeze({});
/** A date as `toJSON` writes it: reading and writing it again would cost more than all else here. */
const WRITTEN_BY_JSON = /^\d{4}-\d\d-(?:[01]\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/;

/** The beginning of the keys of all clients that were ever to expire at a time. Such texts sort in the order of time. */
export function expirationPrefix(time: Date): string {
  return `${time.toJSON()}\n`;
}

function prefixOf(expires: string): string {
  return WRITTEN_BY_JSON.test(expires) ? `${expires}\n` : expirationPrefix(new Date(expires));
}

/** The client in the key of a row. No id contains a line feed. */
export function clientExpiring(key: string): string {
  return key.slice(key.indexOf('\n') + 1);
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
  keys: ({ data }) => ('expires' in data ? [prefixOf(data.expires) + data.clientId] : []),
  on: { ClientCreated: given, ClientUpdated: given },
};

function given(): ExpirationRow {
  return ROW;
}
