import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { holdLease, type Lease } from '../../src/readStore/lease.ts';
import { memoryReadStore } from '../../src/readStore/memoryReadStore.ts';
import type { ReadStore } from '../../src/readStore/readStore.ts';

const leaseTime = 200;
const leases: Lease[] = [];
afterEach(() => Promise.all(leases.splice(0).map((lease) => lease.release())));

function hold(readStore: Pick<ReadStore, 'readLease' | 'swapLease'>, holder: string): Lease {
  const lease = holdLease({ readStore, name: 'work', holder, leaseTime });
  leases.push(lease);
  return lease;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

describe('a lease', () => {
  test('is held by one at a time', async () => {
    const store = memoryReadStore();
    const [one, other] = [hold(store, 'one'), hold(store, 'other')];
    await until(() => one.isHeld());
    await sleep(3 * leaseTime);
    expect([one.isHeld(), other.isHeld()]).toEqual([true, false]);
  });

  test('goes to the next one at once when it is given back', async () => {
    const store = memoryReadStore();
    const one = hold(store, 'one');
    await until(() => one.isHeld());
    await one.release();
    expect(one.isHeld()).toBe(false);
    const other = hold(store, 'other');
    await until(() => other.isHeld());
  });

  test('is kept by one whose renewal was made but not answered', async () => {
    const store = memoryReadStore();
    let isLost = false;
    let looks = 0;
    const lossy = {
      readLease: (name: string) => ((looks += 1), store.readLease(name)),
      async swapLease(...swap: Parameters<ReadStore['swapLease']>): Promise<boolean> {
        const swapped = await store.swapLease(...swap);
        if (!isLost) return swapped;
        isLost = false;
        throw new Error('the reply was lost');
      },
    };
    const one = hold(lossy, 'one');
    await until(() => one.isHeld());
    isLost = true;
    looks = 0;
    await until(() => looks > 0);
    await until(() => one.isHeld());
    // It need not watch its own lease run out.
    expect(looks).toBe(1);
  });

  test('is taken over from one that does not renew it, who then knows', async () => {
    const store = memoryReadStore();
    let isCut = false;
    const cut = {
      readLease: (name: string) =>
        isCut ? Promise.reject(new Error('out of reach')) : store.readLease(name),
      swapLease: (name: string, swap: Parameters<ReadStore['swapLease']>[1]) =>
        isCut ? Promise.reject(new Error('out of reach')) : store.swapLease(name, swap),
    };
    const one = hold(cut, 'one');
    await until(() => one.isHeld());
    const other = hold(store, 'other');
    isCut = true;
    await until(() => other.isHeld());
    expect(one.isHeld()).toBe(false);
    isCut = false;
    await sleep(2 * leaseTime);
    expect([one.isHeld(), other.isHeld()]).toEqual([false, true]);
  });
});
