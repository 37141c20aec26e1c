import { type LifeRow, livesOf } from '../../projections/lives.ts';
import type { Position } from '../event.ts';
import { makeYielder } from '../process/timeSlicing.ts';
import type { ReadModel } from './readModel.ts';

/**
 * A client or role that there ever was. `created` is left out if it was not there at the position. `at` is the position of
 * its last creation or end until then; undefined if its first is later.
 */
export type Life = { id: string; created?: string; at?: Position };

/** Rows in one read. */
const PAGE_SIZE = 500;

/**
 * All clients, or all roles, that there ever were, in byte order of their ids, some at a time, with whether they were there
 * at a position. Yields to the event loop in between.
 */
export async function* livesAt(
  lives: ReadModel<LifeRow>,
  { of, prefix = '', after }: { of: 'client' | 'role'; prefix?: string; after?: string },
  position: Position,
): AsyncGenerator<Life[]> {
  const start = livesOf(of);
  // Behind all rows of that id.
  let from = after === undefined ? undefined : `${start}${after}\n~`;
  let current: Life | undefined;
  const yieldIfDue = makeYielder('answer');
  do {
    const { rows, last } = await lives.list({ prefix: start + prefix, after: from, limit: PAGE_SIZE });
    const complete: Life[] = [];
    for (const { key, value } of rows) {
      const [id, at] = key.slice(start.length).split('\n') as [string, Position];
      if (id !== current?.id) {
        if (current) complete.push(current);
        current = { id };
      }
      if (at <= position) current = { id, at, ...value };
    }
    if (last === undefined && current) complete.push(current);
    yield complete;
    from = last;
    await yieldIfDue();
  } while (from !== undefined);
}
