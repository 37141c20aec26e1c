import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CopyDiffers } from '../../src/transfer/copyLog.ts';
import { copyStores } from '../../src/transfer/copyStores.ts';
import type { Metadata } from '../../src/event.ts';
import { memoryEventStore } from '../../src/eventStore/memoryEventStore.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { PUBLISHER_TABLE } from '../../src/publisher/publish.ts';
import { memoryReadStore } from '../../src/readStore/memoryReadStore.ts';
import { keyring } from '../../src/secretStore/keyring.ts';
import { memorySecretStore } from '../../src/secretStore/memorySecretStore.ts';
import { event, take } from '../contracts/eventStore.ts';
import { newKey } from '../contracts/secretStore.ts';
import { withoutPositions } from '../inStores.ts';

function newStores() {
  return {
    eventStore: memoryEventStore({ validate: validateEvent }),
    readStore: memoryReadStore(),
    secretStore: memorySecretStore({ keyring: keyring(() => [newKey('a key')]) }),
  };
}
type Stores = ReturnType<typeof newStores>;

const by = (actor: string): Metadata => ({ actor, at: '2026-01-01T00:00:00.000Z', requestId: 'r' });

/** Appends one event to each of these streams, each by another actor. */
async function append({ eventStore }: Stores, ...streams: string[]): Promise<void> {
  for (const [i, stream] of streams.entries()) {
    const write = { stream, expectedRevision: 'any' as const, events: [event(`role ${i}`)] };
    await eventStore.append([write], by(`actor ${i}`));
  }
}

const copy = (from: Stores, to: Stores) => copyStores({ from, to }, () => undefined);

describe('a copy of a log', () => {
  test('has the same events in the same order, whatever streams they are in', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 }), async (streams) => {
        const [from, to] = [newStores(), newStores()];
        await append(from, ...streams);
        expect(await copy(from, to)).toEqual({ events: streams.length, secrets: 0 });
        expect(withoutPositions(await take(to.eventStore))).toEqual(
          withoutPositions(await take(from.eventStore)),
        );
        expect((await to.eventStore.head()).split('.')[0]).toBe(to.eventStore.logId);
      }),
      { numRuns: 50 },
    ));

  test('goes on where it was cut off, and copies what was appended in the meantime', async () => {
    const [from, to] = [newStores(), newStores()];
    await append(from, 'a', 'b', 'a');
    await copy(from, to);
    await append(from, 'b', 'c');
    expect(await copy(from, to)).toMatchObject({ events: 5 });
    expect(withoutPositions(await take(to.eventStore))).toEqual(
      withoutPositions(await take(from.eventStore)),
    );
  });

  test('is refused where the target has something else, which is named', async () => {
    const [from, to] = [newStores(), newStores()];
    await append(from, 'a', 'b');
    await append(to, 'a');
    const [other] = await take(to.eventStore);
    await expect(copy(from, to)).rejects.toThrow(CopyDiffers);
    await expect(copy(from, to)).rejects.toThrow(other!.id);
  });

  test('is refused where the target goes on after the end of the source', async () => {
    const [from, to] = [newStores(), newStores()];
    await append(from, 'a');
    await copy(from, to);
    await append(to, 'b');
    await expect(copy(from, to)).rejects.toThrow('goes on after the end of the source');
  });

  test('takes tokens along, sealed under the keys of the target', async () => {
    const [from, to] = [newStores(), newStores()];
    const places = Array.from({ length: 3 }, (_, i) => ({ clientId: `c/${i}`, credentialId: randomUUID() }));
    for (const [i, place] of places.entries()) await from.secretStore.put(place, `token-${i}`);
    expect(await copy(from, to)).toMatchObject({ secrets: 3 });
    expect(await copy(from, to)).toMatchObject({ secrets: 3 });
    for (const [i, place] of places.entries()) expect(await to.secretStore.get(place)).toBe(`token-${i}`);
  });

  test('carries over how far its publisher came, to the same event', async () => {
    const [from, to] = [newStores(), newStores()];
    await append(to, 'a');
    const [first] = await take(to.eventStore);
    const { id, type, data, metadata } = first!;
    await from.eventStore.append(
      [{ stream: 'a', expectedRevision: 'none', events: [{ id, type, data }] }],
      metadata,
    );
    await append(from, 'b', 'a', 'b');
    const [, , third] = await take(from.eventStore);
    await from.readStore.commit(PUBLISHER_TABLE, [], third!.position);
    await copy(from, to);
    const there = (await take(to.eventStore)).find((each) => each.id === third!.id);
    expect(await to.readStore.checkpoint(PUBLISHER_TABLE)).toBe(there!.position);
  });

  test('remembers when clients were last used', async () => {
    const [from, to] = [newStores(), newStores()];
    const at = '2026-01-01T00:00:00.000Z';
    await from.readStore.commit('last-used', [{ key: 'c', value: { at }, position: at }], at);
    await copy(from, to);
    expect((await to.readStore.get<{ at: string }>('last-used', 'c'))?.value).toEqual({ at });
  });
});
