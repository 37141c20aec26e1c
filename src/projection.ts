import type { Event, Recorded } from './event.ts';

/**
 * One read model: how each event changes the rows that it concerns. Handlers are pure; undefined removes the row.
 * Events of other types are ignored. A changed projection gets a new `version`, and so a new table,
 * `<name>-v<version>`, which is built from the log beside the old one.
 */
export type Projection<Row, E extends Event> = {
  name: string;
  version: number;
  /** The keys of the rows that the event concerns. */
  keys(event: Recorded<E>): readonly string[];
  /** A row depends only on the last event that concerns it, so that no former row needs to be looked up. */
  forgetsFormer?: true;
  /** All events that concern a row make the same of it: one that is there need not be written again. */
  hasConstantRows?: true;
  on: {
    [T in E['type']]?: (row: Row | undefined, event: Recorded<Extract<E, { type: T }>>) => Row | undefined;
  };
};

/** The name of a projection's table in the read store. */
export function tableOf(projection: { name: string; version: number }): string {
  return `${projection.name}-v${projection.version}`;
}

/** The row after an event; undefined if there is none. */
export function applyEvent<Row, E extends Event>(
  projection: Projection<Row, E>,
  row: Row | undefined,
  event: Recorded<E>,
): Row | undefined {
  type Handler = ((row: Row | undefined, event: Recorded<E>) => Row | undefined) | undefined;
  const handler = projection.on[event.type as E['type']] as Handler;
  return handler ? handler(row, event) : row;
}

/** The row after several events that concern it, in log order. */
export function fold<Row, E extends Event>(
  projection: Projection<Row, E>,
  row: Row | undefined,
  events: readonly Recorded<E>[],
): Row | undefined {
  return events.reduce((before, event) => applyEvent(projection, before, event), row);
}
