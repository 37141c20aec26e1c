import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import pino from 'pino';
import type { EventStore } from '../../src/eventStore/eventStore.ts';
import { memoryEventStore } from '../../src/eventStore/memoryEventStore.ts';
import { clientStream } from '../../src/eventStore/streams.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { holderEvents } from '../../src/readSide/holderEvents.ts';
import { startProjector } from '../../src/readSide/projector.ts';
import { memoryReadStore } from '../../src/readStore/memoryReadStore.ts';
import { metadata } from '../contracts/eventStore.ts';

/** Writes so many events of a client; returns their positions, and how many events were read from the log since. */
async function longStream(length: number) {
  const store = memoryEventStore({ validate: validateEvent });
  const positions: string[] = [];
  for (let i = 0; i < length; i += 1) {
    const type = i % 2 ? 'ClientEnabled' : 'ClientDisabled';
    const events = [{ type, data: { clientId: 'c' }, id: randomUUID() }];
    const write = { stream: clientStream('c'), expectedRevision: 'any' as const, events };
    positions.push((await store.append([write], metadata)).position);
  }
  let read = 0;
  const eventStore: EventStore = {
    ...store,
    async readBackwards(...args) {
      const page = await store.readBackwards(...args);
      read += page.events.length;
      return page;
    },
  };
  const projector = await startProjector({
    eventStore: store,
    readStore: memoryReadStore(),
    log: pino({ level: 'silent' }),
    holder: randomUUID(),
  });
  const eventsUpTo = (upTo: string) =>
    holderEvents({ projector, eventStore }, { kind: 'client', id: 'c' }, upTo);
  return { positions, eventsUpTo, countRead: () => read, start: store.start, stop: projector.stop };
}

test('the events of a client up to any position are all of them, newest first', async () => {
  const { positions, eventsUpTo, start, stop } = await longStream(250);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 250 }), async (count) => {
      const found: string[] = [];
      for await (const page of eventsUpTo(positions[count - 1] ?? start))
        found.push(...page.map(({ position }) => position));
      expect(found).toEqual(positions.slice(0, count).reverse());
    }),
    { examples: [[0], [1], [242], [243], [250]] },
  );
  await stop();
});

test('of a long stream, few events after the position are read', async () => {
  const { positions, eventsUpTo, countRead, stop } = await longStream(3000);
  const found: string[] = [];
  for await (const page of eventsUpTo(positions[4]!)) found.push(...page.map(({ position }) => position));
  expect(found).toHaveLength(5);
  expect(countRead()).toBeLessThan(40);
  await stop();
});
