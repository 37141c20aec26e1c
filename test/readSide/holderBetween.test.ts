import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import pino from 'pino';
import { entityOf } from '../../projections/auditEntry.ts';
import { memoryEventStore } from '../../src/eventStore/memoryEventStore.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { holderBetween, type HolderBetween } from '../../src/readSide/holderBetween.ts';
import type { HolderEvent } from '../../src/readSide/holderEvents.ts';
import { startProjector } from '../../src/readSide/projector.ts';
import { memoryReadStore } from '../../src/readStore/memoryReadStore.ts';
import { anyHistory, historyWriter, plainStateAt } from '../anyHistory.ts';
import { histories } from '../histories.ts';

async function toTheEnd(reading: AsyncGenerator<void, HolderBetween>): Promise<HolderBetween> {
  for (;;) {
    const { value, done } = await reading.next();
    if (done) return value;
  }
}

test('what a client or role was at two positions is what its events up to each make of it', async () => {
  await fc.assert(
    fc.asyncProperty(anyHistory(25), fc.nat(), fc.nat(), async (steps, one, other) => {
      const eventStore = memoryEventStore({ validate: validateEvent });
      const { write, log: written } = historyWriter(eventStore);
      for (const step of steps) await write(step);
      const positions = [eventStore.start, ...written.map(({ position }) => position)];
      const [from, to] = [one, other].map((at) => positions[at % positions.length]!).sort() as [
        string,
        string,
      ];
      const projector = await startProjector({
        eventStore,
        readStore: memoryReadStore(),
        log: pino({ level: 'silent' }),
        holder: randomUUID(),
      });
      const events = written as HolderEvent[];
      for (const entity of new Map(
        events.map(({ data }) => [JSON.stringify(entityOf(data)), entityOf(data)]),
      ).values()) {
        const subject = { kind: entity.entityType, id: entity.entityId };
        const found = await toTheEnd(holderBetween({ projector, eventStore }, subject, [from, to]));
        for (const [values, position] of [
          [found.before, from],
          [found.after, to],
        ] as const) {
          const state = plainStateAt(written, position);
          const row = state[subject.kind === 'client' ? 'clients' : 'roles'].get(subject.id);
          expect([subject, position, values === undefined]).toEqual([subject, position, row === undefined]);
          if (row) expect(row).toMatchObject({ scopes: values!.scopes });
          if (row && 'expires' in row)
            expect(row).toMatchObject({ disabled: values!.disabled, expires: values!.expires });
        }
        expect(found.events.map(({ position }) => position)).toEqual(
          events
            .filter(({ data }) => JSON.stringify(entityOf(data)) === JSON.stringify(entity))
            .map(({ position }) => position)
            .filter((position) => position > from && position <= to),
        );
        expect(found.isWhole).toBe(true);
      }
      await projector.stop();
    }),
    histories(60),
  );
});
