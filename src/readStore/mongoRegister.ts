import { isDuplicateKey, type Mongo } from '../storage/openMongo.ts';

/** One state of a register: whoever adds the next one, under the next number, has changed it. */
type StoredState<Value> = { _id: string; value?: Value };

/** What a register held when it was looked at; `n` grows with every change. */
export type RegisterState<Value> = { version: number; value?: Value };

const VERSION_DIGITS = 15;

/**
 * Named values in MongoDB, each replaced only by who has seen the one before. A change is an insert under a key that nobody
 * else can have too: compatible servers give that, and do not all give updates that compare and change in one step.
 */
export function mongoRegister<Value extends object>(mongo: Mongo, collection: string) {
  const states = () => mongo.collection<StoredState<Value>>(collection);
  const keyOf = (name: string, n: number): string => `${name}\n${String(n).padStart(VERSION_DIGITS, '0')}`;
  const before = (name: string, key: string): object => ({ _id: { $gt: `${name}\n`, $lt: key } });

  async function read(name: string): Promise<RegisterState<Value>> {
    const [last] = await mongo.call(() =>
      states()
        .find(before(name, `${name}\n~`))
        .sort({ _id: -1 })
        .limit(1)
        .toArray(),
    );
    return last ? parseState(last as StoredState<Value>).seen : { version: 0 };
  }

  return {
    read,

    /** Replaces what was seen, by nothing when there is no value; says whether it did. */
    async replace(
      name: string,
      { version: n }: RegisterState<Value>,
      value: Value | undefined,
    ): Promise<boolean> {
      const _id = keyOf(name, n + 1);
      try {
        await mongo.call(() => states().insertOne({ _id, ...(value && { value }) } as never));
      } catch (error) {
        if (!isDuplicateKey(error)) throw error;
        return false;
      }
      // Somebody who was held up after looking may add a state that was there and is forgotten already.
      if ((await read(name)).version !== n + 1) return false;
      await mongo.call(() => states().deleteMany(before(name, _id)));
      return true;
    },

    /** Everything that holds a value, by name. */
    async all(): Promise<Map<string, Value>> {
      const found = await mongo.call(() => states().find().sort({ _id: 1 }).toArray());
      const latest = new Map(
        found.map((state) => [parseState(state as StoredState<Value>).name, state.value]),
      );
      return new Map([...latest].filter((entry): entry is [string, Value] => entry[1] !== undefined));
    },
  };
}

function parseState<Value>({ _id, value }: StoredState<Value>): { name: string; seen: RegisterState<Value> } {
  const at = _id.length - VERSION_DIGITS;
  return { name: _id.slice(0, at - 1), seen: { version: Number(_id.slice(at)), value } };
}
