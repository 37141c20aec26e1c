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
  on: {
    [T in E['type']]?: (
      row: Row | undefined,
      event: Recorded<Extract<E, { type: T }>>,
    ) => Row | undefined;
  };
};

/** The read store's table of a projection. */
export function tableOf(projection: { name: string; version: number }): string {
  return `${projection.name}-v${projection.version}`;
}
