import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { watchStores } from '../../../src/api/monitoring/backendHealth.ts';
import { ApiError } from '../../../src/domain/errors.ts';
import { WrongExpectedRevision } from '../../../src/eventStore/eventStore.ts';
import { StoreDamaged, StoreUnavailable } from '../../../src/storage/storeErrors.ts';
import { memoryEventStore } from '../../../src/eventStore/memoryEventStore.ts';
import { validateEvent } from '../../../src/eventStore/validateEvent.ts';
import { memoryReadStore } from '../../../src/readStore/memoryReadStore.ts';
import { keyring } from '../../../src/secretStore/keyring.ts';
import { memorySecretStore } from '../../../src/secretStore/memorySecretStore.ts';
import { event, metadata } from '../../contracts/eventStore.ts';
import { newKey } from '../../contracts/secretStore.ts';

/** Stores in memory that fail while there is a fault, counting their probes, and a clock that the test sets. */
function watched() {
  const key = newKey('k');
  const faults: { all?: Error | Promise<never>; probe?: Error; fresh?: Error } = {};
  const counts = { probes: 0, looks: 0 };
  let time = 0;
  const failing = <S extends object>(store: S): S =>
    new Proxy(store, {
      get: (target, name) => {
        const value = target[name as keyof S];
        if (typeof value !== 'function' || name === 'subscribe') return value;
        return async (...args: unknown[]): Promise<unknown> => {
          if (name === 'probe') counts.probes += 1;
          const fault = faults.all ?? (name === 'probe' ? faults.probe : undefined);
          if (fault) throw await fault;
          return (value as (...args: unknown[]) => unknown)(...args);
        };
      },
    });
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const { stores, makeCheck } = watchStores(
    {
      eventStore: failing(memoryEventStore({ validate: validateEvent })),
      readStore: failing(memoryReadStore()),
      secretStore: failing(memorySecretStore({ keyring: keyring(() => [key]) })),
    },
    { log, now: () => time },
  );
  const tokens = {
    problem: (): string | undefined => undefined,
    probe: async () => void (counts.looks += 1),
  };
  const check = makeCheck(tokens, {
    async ensureFresh() {
      if (faults.fresh) throw faults.fresh;
    },
  });
  return {
    ...stores,
    faults,
    counts,
    tokens,
    check,
    logged: () => lines.join(''),
    later: (seconds: number) => void (time += seconds * 1000),
    /** What the heartbeat finds fault with; undefined when all is well. */
    problem: () =>
      check().then(
        () => undefined,
        (error: Error) => error.message.replace('this service is not well: ', ''),
      ),
  };
}

const change = { stream: 's', expectedRevision: 'any' as const, events: [event()] };
const place = () => ({ clientId: 'a', credentialId: randomUUID() });
const full = new StoreUnavailable('the database cannot be used right now: database or disk is full');

describe('whether the stores work', () => {
  let it: ReturnType<typeof watched>;
  beforeEach(() => {
    it = watched();
  });
  const write = async () => {
    await it.eventStore.append([{ ...change, events: [event()] }], metadata);
    await it.readStore.commit('t', [], '1');
    await it.secretStore.put(place(), 'token');
  };
  const failToWrite = async () => {
    it.faults.all = full;
    await Promise.allSettled([
      it.eventStore.append([change], metadata),
      it.readStore.commit('t', [], '1'),
      it.secretStore.destroy(place()),
    ]);
    delete it.faults.all;
  };
  const ALL =
    'the log cannot be written to; the read store cannot be written to; the secret store cannot be written to';

  test('shows at once in a write that failed, until a later one works', async () => {
    await write();
    expect(await it.problem()).toBeUndefined();
    await failToWrite();
    expect(await it.problem()).toBe(ALL);
    await it.secretStore.put(place(), 'token');
    await it.readStore.commit('t', [], '2');
    expect(await it.problem()).toBe('the log cannot be written to');
    await it.eventStore.append([change], metadata);
    expect(await it.problem()).toBeUndefined();
    expect(it.counts.probes).toBe(0);
  });

  test('is tried once for all who ask where nothing was written lately, and the outcome is kept for 10 s', async () => {
    it.faults.probe = full;
    const asked = await Promise.all(Array.from({ length: 1000 }, it.problem));
    expect(new Set(asked)).toEqual(new Set([ALL]));
    delete it.faults.probe;
    for (let i = 0; i < 9; i += 1) {
      it.later(1);
      expect(await it.problem()).toBe(ALL);
    }
    expect(it.counts).toEqual({ probes: 3, looks: 1 });
    it.later(1);
    expect(await it.problem()).toBeUndefined();
    expect(it.counts).toEqual({ probes: 6, looks: 2 });
    it.faults.probe = full;
    it.later(9.9);
    expect(await it.problem()).toBeUndefined();
    it.later(0.1);
    expect(await it.problem()).toBe(ALL);
    expect(it.counts).toEqual({ probes: 9, looks: 3 });
  });

  test('is never tried while there are real writes, nor anything told by who has nothing to say of it', async () => {
    for (let i = 0; i < 20; i += 1) {
      await write();
      await it.readStore.swapLease('l', { expected: undefined, next: { holder: 'me', counter: i } });
      it.later(5);
      expect(await it.problem()).toBeUndefined();
    }
    expect(it.counts).toEqual({ probes: 0, looks: 10 });
    const refused = it.eventStore.append([{ ...change, expectedRevision: 'none' }], metadata);
    await expect(refused).rejects.toThrow(WrongExpectedRevision);
    const here = place();
    await it.secretStore.put(here, 'token');
    await expect(it.secretStore.put(here, 'another')).rejects.toThrow(/never overwritten/);
    expect(await it.problem()).toBeUndefined();
  });

  test('is not judged from a write that was begun before the last one, however late it fails', async () => {
    let fail!: (error: Error) => void;
    it.faults.all = new Promise<never>((_, reject) => (fail = reject));
    const slow = it.eventStore.append([change], metadata);
    delete it.faults.all;
    it.later(1);
    await write();
    fail(full);
    await expect(slow).rejects.toThrow(/full/);
    expect(await it.problem()).toBeUndefined();
  });

  test('shows in reads that fail, until one works', async () => {
    await write();
    it.faults.all = new StoreUnavailable('out of reach');
    await expect(it.readStore.get('t', 'a')).rejects.toThrow(StoreUnavailable);
    await expect(it.secretStore.get(place())).rejects.toThrow(StoreUnavailable);
    delete it.faults.all;
    expect(await it.problem()).toBe('the read store does not answer; the secret store does not answer');
    await it.readStore.get('t', 'a');
    await it.secretStore.get(place());
    expect(await it.problem()).toBeUndefined();
  });

  test('is over with damage for good, and the log says what to do about it, by the path that no caller is told', async () => {
    await write();
    it.faults.all = new StoreDamaged('/data/read.sqlite', 'database disk image is malformed');
    await expect(it.readStore.list('t', { limit: 1 })).rejects.toThrow(StoreDamaged);
    delete it.faults.all;
    await write();
    await it.readStore.get('t', 'a');
    it.later(60);
    expect(await it.problem()).toBe('the read store is damaged');
    expect(it.logged()).toMatch(/"level":50.*\/data\/read\.sqlite is damaged.*it is built anew from the log/);
    it.faults.all = new StoreDamaged('/data/log.sqlite', 'database disk image is malformed');
    await expect(it.eventStore.readLast('s')).rejects.toThrow(StoreDamaged);
    const subscription = it.eventStore.subscribe({ signal: AbortSignal.abort() });
    for await (const batch of subscription) expect(batch).toBeUndefined();
    delete it.faults.all;
    expect(await it.problem()).toBe('the log is damaged; the read store is damaged');
    expect(it.logged()).toMatch(/restore it from a backup/);
  });

  test('is not all: a node that is not up to date is not well, and damage to the log is told as such where it shows in that', async () => {
    await write();
    it.faults.fresh = new ApiError('ServiceUnavailable', 'this node has not caught up with the log yet');
    expect(await it.problem()).toMatch(/has not caught up/);
    it.faults.fresh = new StoreDamaged('/data/log.sqlite', 'database disk image is malformed');
    expect(await it.problem()).toBe('the log is damaged');
  });

  test('takes in whether the tokens of clients are there', async () => {
    await write();
    it.tokens.problem = () => 'lacks tokens of clients';
    expect(await it.problem()).toBe('the secret store lacks tokens of clients');
  });
});
