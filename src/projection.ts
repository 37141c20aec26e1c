import type { Event, Recorded } from './event.ts';

/**
 * One read model: how each event changes the one row it concerns. Handlers are pure: undefined removes the row.
 * Events of a type that `on` does not name leave the read model as it is. A changed projection gets a new `version`,
 * and so a table of its own, `<name>-v<version>`, that is built from the log beside the old one.
 */
export type Projection<Row, E extends Event> = {
  name: string;
  version: number;
  key(event: Recorded<E>): string;
  /** Each event has a row of its own: there never is a former one to be looked up. */
  rowPerEvent?: true;
  on: {
    [T in E['type']]?: (row: Row | undefined, event: Recorded<Extract<E, { type: T }>>) => Row | undefined;
  };
};

/** The read store's table of a projection. */
export function tableOf(projection: { name: string; version: number }): string {
  return `${projection.name}-v${projection.version}`;
}

/** What an event makes of its row. */
export function applyEvent<Row, E extends Event>(
  projection: Projection<Row, E>,
  row: Row | undefined,
  event: Recorded<E>,
): Row | undefined {
  type Handler = ((row: Row | undefined, event: Recorded<E>) => Row | undefined) | undefined;
  const handler = projection.on[event.type as E['type']] as Handler;
  return handler ? handler(row, event) : row;
}

/** What events of one row make of it, in their order. */
export function fold<Row, E extends Event>(
  projection: Projection<Row, E>,
  row: Row | undefined,
  events: readonly Recorded<E>[],
): Row | undefined {
  return events.reduce((before, event) => applyEvent(projection, before, event), row);
}
