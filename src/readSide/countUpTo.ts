import type { Position, Recorded } from '../event.ts';

/**
 * How many of the first `length` events of a stream are up to a position, found by looking at the events of some 20
 * revisions at most.
 */
export async function countUpTo(
  position: Position,
  { length, at }: { length: number; at: (revision: number) => Promise<Recorded | undefined> },
): Promise<number> {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const event = await at(middle);
    if (event && event.position <= position) low = middle + 1;
    else high = middle;
  }
  return low;
}
