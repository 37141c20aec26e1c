import { upcast } from './upcast.ts';
import type { BackwardsPage, EventStore } from './eventStore.ts';

/** A log whose events are converted to today's form as they are read. What is stored does not change. */
export function upcasting(log: EventStore): EventStore {
  return {
    ...log,
    async read(stream, options) {
      const { events, revision } = await log.read(stream, options);
      return { events: events.map(upcast), revision };
    },
    async readUpTo(stream, options) {
      const { events, reachesEnd } = await log.readUpTo(stream, options);
      return { events: events.map(upcast), reachesEnd };
    },
    readBackwards: async (stream, options) => upcastPage(await log.readBackwards(stream, options)),
    readLogBackwards: async (options) => upcastPage(await log.readLogBackwards(options)),
    async readLast(stream) {
      const last = await log.readLast(stream);
      return last && upcast(last);
    },
    async newest() {
      const last = await log.newest();
      return last && upcast(last);
    },
    async eventAt(position) {
      const event = await log.eventAt(position);
      return event && upcast(event);
    },
    async *subscribe(options) {
      for await (const batch of log.subscribe(options)) yield { ...batch, events: batch.events.map(upcast) };
    },
  };
}

function upcastPage({ events, reachesStart }: BackwardsPage): BackwardsPage {
  return { events: events.map(upcast), reachesStart };
}
