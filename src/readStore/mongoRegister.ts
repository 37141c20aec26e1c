import { isDuplicateKey, type Mongo } from '../storage/openMongo.ts';

/**
 * A state of a register, stored under its name and version. Whoever inserts the next version has changed the register.
 */
type StoredState<Value> = { _id: string; value?: Value };

/** A state of a register as it was read; the version grows with every change, from 0 for none. */
export type RegisterState<Value> = { version: number; value?: Value };

const VERSION_DIGITS = 15;

/**
 * Named values in MongoDB with compare-and-swap: a value is replaced only by a process that has read the latest one. A
 * change is an insert under a unique key. All compatible servers guarantee that; not all have an atomic conditional
 * update.
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
    return last ? parseState(last as StoredState<Value>).state : { version: 0 };
  }

  return {
    read,

    /** Replaces a state that was read; undefined removes the value. Returns whether it did. */
    async replace(
      name: string,
      { version }: RegisterState<Value>,
      value: Value | undefined,
    ): Promise<boolean> {
      const _id = keyOf(name, version + 1);
      try {
        await mongo.call(() => states().insertOne({ _id, ...(value && { value }) } as never));
      } catch (error) {
        if (!isDuplicateKey(error)) throw error;
        return false;
      }
      // A process that was frozen after its read may insert a state again that was replaced and deleted long ago.
      if ((await read(name)).version !== version + 1) return false;
      await mongo.call(() => states().deleteMany(before(name, _id)));
      return true;
    },

    /** All values, by name. */
    async all(): Promise<Map<string, Value>> {
      const found = await mongo.call(() => states().find().sort({ _id: 1 }).toArray());
      const latest = new Map(
        found.map((state) => [parseState(state as StoredState<Value>).name, state.value]),
      );
      return new Map([...latest].filter((entry): entry is [string, Value] => entry[1] !== undefined));
    },
  };
}

function parseState<Value>({ _id, value }: StoredState<Value>): {
  name: string;
  state: RegisterState<Value>;
} {
  const at = _id.length - VERSION_DIGITS;
  return { name: _id.slice(0, at - 1), state: { version: Number(_id.slice(at)), value } };
}
