import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe } from '@jest/globals';
import { kurrentEventStore } from '../../src/eventStore/kurrentEventStore.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { openKurrent } from '../../src/openKurrent.ts';
import { eventStoreContract } from '../contracts/eventStore.ts';
import { type KurrentDouble, startKurrentDouble } from '../kurrentDouble/kurrentDouble.ts';

const newPrefix = (): string => `test-${randomUUID().slice(0, 8)}.`;
const openAt = (url: string, prefix: string) =>
  kurrentEventStore({ kurrent: openKurrent(url), validate: validateEvent, prefix });

function contractAt(name: string, url: () => string): void {
  eventStoreContract(name, async () => {
    const prefix = newPrefix();
    const [store, other] = await Promise.all([openAt(url(), prefix), openAt(url(), prefix)]);
    return {
      store,
      other,
      async remove() {
        await Promise.all([store.close(), other.close()]);
      },
    };
  });
}

describe('on the double', () => {
  let double: KurrentDouble;
  beforeAll(async () => {
    double = await startKurrentDouble();
  });
  afterAll(() => double.close());
  contractAt('KurrentDB (its double)', () => `kurrentdb://127.0.0.1:${double.port}?tls=false`);
});

const real = process.env['KURRENTDB_URL'];
if (real !== undefined) contractAt('KurrentDB', () => real);
