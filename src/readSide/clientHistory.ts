import { type AuditEntry, auditEntry } from '../../projections/auditEntry.ts';
import type { ClientEvent } from '../../schemas/events/clientEvents.ts';
import type { Recorded } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { clientStream } from '../eventStore/streams.ts';

/** A page of a client's changes, oldest first; `next` is the revision of the next page, if there is one. */
export type ClientHistory = (
  clientId: string,
  page: { fromRevision: number; limit: number },
) => Promise<{ entries: AuditEntry[]; next: number | undefined }>;

/** The history of a client through all its lives. It needs no table, because it is exactly the client's stream. */
export function makeClientHistory(eventStore: Pick<EventStore, 'read'>): ClientHistory {
  return async function clientHistory(clientId, { fromRevision, limit }) {
    const { events, revision } = await eventStore.read(clientStream(clientId), { fromRevision, limit });
    const next = fromRevision + events.length;
    return {
      entries: events.map((event) => auditEntry(event as Recorded<ClientEvent>)),
      next: revision !== 'none' && next <= revision ? next : undefined,
    };
  };
}
