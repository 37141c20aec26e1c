import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { Event, NewEvent, Recorded } from '../../src/event.ts';
import type { EventStore } from '../../src/eventStore/eventStore.ts';
import { memoryEventStore } from '../../src/eventStore/memoryEventStore.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { type HistoryQuery, logHistory } from '../../src/readSide/logHistory.ts';
import { take } from '../contracts/eventStore.ts';

const corpus = JSON.parse(
  readFileSync(new URL('../corpus/events-v1.json', import.meta.url), 'utf8'),
) as Event<string, { clientId?: string; roleId?: string; service?: string }>[];
let eventStore: EventStore;
let log: Recorded[];

/** A log with every kind of event, by two actors in turn, and a long stream. */
beforeAll(async () => {
  eventStore = memoryEventStore({ validate: validateEvent });
  const events = [...corpus, ...Array.from({ length: 1200 }, () => corpus.at(-1)!)];
  for (const [i, event] of events.entries()) {
    const { clientId, service } = event.data;
    const ofAuth = clientId === undefined ? 'roles' : `client-${clientId}`;
    const stream = service === undefined ? ofAuth : `credentials-${service}`;
    const metadata = { actor: i % 2 ? 'odd' : 'even', at: '2026-01-01T00:00:00.000Z', requestId: 'r' };
    const appended = { ...event, id: randomUUID() } as NewEvent;
    await eventStore.append([{ stream, expectedRevision: 'any', events: [appended] }], metadata);
  }
  log = await take(eventStore);
});

async function history(query: HistoryQuery, store = eventStore): Promise<Recorded[]> {
  const events: Recorded[] = [];
  for await (const event of logHistory(store, query)) events.push(event);
  return events;
}
const about = (name: string, id: string): Recorded[] =>
  log.filter(({ data }) => (data as Record<string, unknown>)[name] === id);

describe('the history of a log', () => {
  test('is all of it, and ends', async () => {
    expect(await history({})).toEqual(log);
    expect(await history({}, memoryEventStore({ validate: validateEvent }))).toEqual([]);
  });

  test('is of one client, role or service, for which no other stream is read', async () => {
    const subscribe = (): never => {
      throw new Error('this reads everything');
    };
    const streamsOnly = { ...eventStore, subscribe };
    expect(await history({ client: 'one' }, streamsOnly)).toEqual(about('clientId', 'one'));
    expect(await history({ role: 'old' }, streamsOnly)).toEqual(about('roleId', 'old'));
    expect(about('service', 'statsum').length).toBeGreaterThan(1200);
    expect(await history({ service: 'statsum' }, streamsOnly)).toEqual(about('service', 'statsum'));
    expect(await history({ client: 'nobody' }, streamsOnly)).toEqual([]);
  });

  test('is by one actor, after a position, and so many at most', async () => {
    expect(await history({ actor: 'odd' })).toEqual(log.filter(({ metadata }) => metadata.actor === 'odd'));
    expect(await history({ after: log[4]!.position })).toEqual(log.slice(5));
    expect(await history({ after: log[4]!.position, limit: 3 })).toEqual(log.slice(5, 8));
    expect(await history({ after: log.at(-1)!.position })).toEqual([]);
    const of = about('clientId', 'one');
    expect(await history({ client: 'one', after: of[0]!.position, limit: 1 })).toEqual(of.slice(1, 2));
  });

  test('ends where the log did when it was asked for', async () => {
    const seen: Recorded[] = [];
    for await (const event of logHistory(eventStore, {})) {
      if (seen.push(event) > 1) continue;
      const late = { ...corpus.at(-1)!, id: randomUUID() } as NewEvent;
      await eventStore.append(
        [{ stream: 'credentials-statsum', expectedRevision: 'any', events: [late] }],
        event.metadata,
      );
    }
    expect(seen).toEqual(log);
  });
});
