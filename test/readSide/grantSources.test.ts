import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import pino from 'pino';
import { memoryEventStore } from '../../src/eventStore/memoryEventStore.ts';
import { clientStream } from '../../src/eventStore/streams.ts';
import { makeLongWork } from '../../src/process/longWork.ts';
import { makeGrantSources } from '../../src/readSide/grantSources.ts';
import { startProjector } from '../../src/readSide/projector.ts';
import { memoryReadStore } from '../../src/readStore/memoryReadStore.ts';

const log = pino({ level: 'silent' });

test('sources are read one page at a time, because the events of a page may be large', async () => {
  const eventStore = memoryEventStore({ validate: () => {} });
  const projector = await startProjector({ eventStore, readStore: memoryReadStore(), log, holder: 'one' });
  try {
    const ids = Array.from({ length: 40 }, (_, i) => `c/${i}`);
    const positions = new Map<string, string>();
    for (const clientId of ids) {
      const data = {
        clientId,
        description: '',
        expires: '2099-01-01T00:00:00.000Z',
        deleteOnExpiration: false,
        scopes: ['x'],
        credential: { id: randomUUID(), fingerprint: '0123456789abcdef' },
      };
      const { position } = await eventStore.append(
        [
          {
            stream: clientStream(clientId),
            expectedRevision: 'none',
            events: [{ id: randomUUID(), type: 'ClientCreated', data }],
          },
        ],
        { actor: clientId, at: '2030-01-01T00:00:00.000Z', requestId: 'r' },
      );
      positions.set(clientId, position);
    }
    let [reading, most] = [0, 0];
    const find = makeGrantSources({
      longWork: makeLongWork({ log }),
      projector,
      eventStore: {
        async readBackwards(stream, options) {
          reading += 1;
          most = Math.max(most, reading);
          const page = await eventStore.readBackwards(stream, options);
          reading -= 1;
          return page;
        },
      },
    });
    const wanted = ids.map((id) => ({ kind: 'client' as const, id, scopes: new Set(['x']) }));
    const found = await find(wanted, positions.get('c/39')!, { caller: 'auditor' });
    expect(found.map((sources) => sources.get('x')!.position)).toEqual([...positions.values()]);
    expect(most).toBe(1);
  } finally {
    await projector.stop();
  }
});
