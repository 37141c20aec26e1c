import { isTaken, type Mongo } from '../storage/openMongo.ts';

/** One state of a register: whoever adds the next one, under the next number, has changed it. */
type State<Value> = { _id: string; value?: Value };

/** What a register held when it was looked at; `n` grows with every change. */
export type Seen<Value> = { n: number; value?: Value };

const DIGITS = 15;

/**
 * Named values in MongoDB, each replaced only by who has seen the one before. A change is an insert under a key that nobody
 * else can have too: compatible servers give that, and do not all give updates that compare and change in one step.
 */
export function mongoRegister<Value extends object>(mongo: Mongo, collection: string) {
  const { reaching } = mongo;
  const states = () => mongo.collection<State<Value>>(collection);
  const keyOf = (name: string, n: number): string => `${name}\n${String(n).padStart(DIGITS, '0')}`;
  const before = (name: string, key: string): object => ({ _id: { $gt: `${name}\n`, $lt: key } });

  async function read(name: string): Promise<Seen<Value>> {
    const [last] = await reaching(() =>
      states()
        .find(before(name, `${name}\n~`))
        .sort({ _id: -1 })
        .limit(1)
        .toArray(),
    );
    return last ? seenIn(last as State<Value>).seen : { n: 0 };
  }

  return {
    read,

    /** Replaces what was seen, by nothing when there is no value; says whether it did. */
    async replace(name: string, { n }: Seen<Value>, value: Value | undefined): Promise<boolean> {
      const _id = keyOf(name, n + 1);
      try {
        await reaching(() => states().insertOne({ _id, ...(value && { value }) } as never));
      } catch (error) {
        if (!isTaken(error)) throw error;
        return false;
      }
      // Somebody who was held up after looking may add a state that was there and is forgotten already.
      if ((await read(name)).n !== n + 1) return false;
      await reaching(() => states().deleteMany(before(name, _id)));
      return true;
    },

    /** Everything that holds a value, by name. */
    async all(): Promise<Map<string, Value>> {
      const found = await reaching(() => states().find().sort({ _id: 1 }).toArray());
      const latest = new Map(found.map((state) => [seenIn(state as State<Value>).name, state.value]));
      return new Map([...latest].filter((entry): entry is [string, Value] => entry[1] !== undefined));
    },
  };
}

function seenIn<Value>({ _id, value }: State<Value>): { name: string; seen: Seen<Value> } {
  const at = _id.length - DIGITS;
  return { name: _id.slice(0, at - 1), seen: { n: Number(_id.slice(at)), value } };
}
