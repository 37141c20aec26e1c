import type { Mongo } from '../storage/openMongo.ts';
import { mongoRegister } from './mongoRegister.ts';
import type { LeaseRecord, ReadStore } from './readStore.ts';

/** Leases in MongoDB. */
export function mongoLeases(mongo: Mongo): Pick<ReadStore, 'readLease' | 'swapLease'> {
  const leases = mongoRegister<LeaseRecord>(mongo, 'leases');
  return {
    readLease: async (name) => (await leases.read(name)).value,
    async swapLease(name, { expected, next }) {
      const seen = await leases.read(name);
      const isExpected = seen.value?.holder === expected?.holder && seen.value?.counter === expected?.counter;
      return isExpected && leases.replace(name, seen, next);
    },
  };
}
