import { isTaken, type Mongo, reaching } from '../openMongo.ts';
import type { LeaseRecord, ReadStore } from './readStore.ts';

/** One state of a lease: whoever adds the next one, under the next number, has changed it. A lease that was given back has no holder. */
type State = { _id: string; holder?: string; counter?: number };

/**
 * Leases in MongoDB. Each change is an insert under a key that nobody else can have too, as compatible servers give that,
 * and do not all give updates that compare and change in one step.
 */
export function mongoLeases(mongo: Mongo): Pick<ReadStore, 'readLease' | 'swapLease'> {
  const states = mongo.collection<State>('leases');
  const keyOf = (name: string, n: number): string => `${name}\n${String(n).padStart(15, '0')}`;
  const numberIn = (key: string): number => Number(key.slice(key.lastIndexOf('\n') + 1));
  const before = (name: string, key: string) => ({ _id: { $gt: `${name}\n`, $lt: key } });

  async function current(name: string): Promise<State | undefined> {
    const [last] = await reaching(() =>
      states
        .find(before(name, `${name}\n~`))
        .sort({ _id: -1 })
        .limit(1)
        .toArray(),
    );
    return last;
  }

  return {
    async readLease(name) {
      return recordIn(await current(name));
    },
    async swapLease(name, { expected, next }) {
      const state = await current(name);
      const record = recordIn(state);
      if (record?.holder !== expected?.holder || record?.counter !== expected?.counter) return false;
      const _id = keyOf(name, (state ? numberIn(state._id) : 0) + 1);
      try {
        await reaching(() => states.insertOne({ _id, ...next }));
      } catch (error) {
        if (!isTaken(error)) throw error;
        return false;
      }
      // Somebody who was held up after looking may add a state that was there and is forgotten already.
      if ((await current(name))?._id !== _id) return false;
      await reaching(() => states.deleteMany(before(name, _id)));
      return true;
    },
  };
}

function recordIn(state: State | undefined): LeaseRecord | undefined {
  return state?.holder === undefined ? undefined : { holder: state.holder, counter: state.counter! };
}
