import { rolePrefix } from '../../projections/roleHistory.ts';
import {
  type EntityEvent,
  type EntityValues,
  FormerValues,
  valuesNeededBefore,
  valuesSetBy,
} from '../domain/changes.ts';
import type { Position, Recorded } from '../event.ts';
import { positionBefore } from '../eventStore/position.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import type { Paced } from '../process/paced.ts';
import type { HistoryEntity } from './historyEntity.ts';
import type { Projector } from './projector.ts';

/** Events in the first read of a stream, besides those that are asked about, and in the longest. */
const FIRST_READ = 2;
const LONGEST_READ = 250;

type Asked = { event: Recorded; entity: HistoryEntity };
type Parts = {
  eventStore: Pick<EventStore, 'readBackwards'>;
  projector: Pick<Projector, 'roleHistory'>;
};

/**
 * Finds the values that clients and roles had before events, as far as these events change them. Each client's stream is
 * read backwards once, from its last event that is asked about; a role's definition is in the event before. `looked` is
 * how many events were read for that: once they are `enough`, values of later events are left out, never those of the
 * first.
 */
export function makeValuesBefore({ eventStore, projector }: Parts) {
  return async function valuesBefore(
    asked: readonly Asked[],
    { paced, enough }: { paced: Paced; enough: number },
  ): Promise<{ values: Map<Position, EntityValues>; looked: number }> {
    const values = new Map<Position, EntityValues>();
    const ofClients = new Map<string, Recorded[]>();
    let looked = 0;
    for (const { event, entity } of asked)
      if (entity.kind === 'client')
        ofClients.set(event.stream, [...(ofClients.get(event.stream) ?? []), event]);
    for (const { event, entity } of asked) {
      if (values.size > 0 && looked >= enough) break;
      if (values.has(event.position)) continue;
      if (entity.kind === 'client') await readClient(event.stream, ofClients.get(event.stream)!);
      else if (entity.kind === 'role')
        values.set(event.position, await paced(() => definitionBefore(entity.id, event)));
      else values.set(event.position, {});
    }
    return { values, looked };

    async function definitionBefore(roleId: string, event: Recorded): Promise<EntityValues> {
      if (valuesNeededBefore(event as EntityEvent).length === 0) return {};
      const prefix = rolePrefix(roleId);
      looked += 1;
      const key = prefix + positionBefore(event.position);
      const former = await projector.roleHistory.lastUpTo({ prefix, key });
      return (former && valuesSetBy(former.value)) ?? {};
    }

    async function readClient(stream: string, events: readonly Recorded[]): Promise<void> {
      const waiting = events.toSorted((a, b) => b.revision - a.revision);
      const pending = new Set<FormerValues>();
      const begin = (event: Recorded): void => {
        const former = new FormerValues(event as EntityEvent);
        values.set(event.position, former.values);
        if (!former.areKnown) pending.add(former);
      };
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        begin(next);
        let beforeRevision = next.revision;
        for (let limit = FIRST_READ + waiting.length; pending.size > 0; limit *= 4) {
          const from = beforeRevision;
          const page = await paced(() =>
            eventStore.readBackwards(stream, {
              beforeRevision: from,
              limit: Math.min(limit, LONGEST_READ),
            }),
          );
          looked += page.events.length;
          for (const older of page.events) {
            for (const former of pending) {
              former.learnFrom(older as EntityEvent);
              if (former.areKnown) pending.delete(former);
            }
            if (waiting[0]?.revision === older.revision) begin(waiting.shift()!);
            beforeRevision = older.revision;
          }
          if (page.reachesStart) pending.clear();
        }
      }
    }
  };
}
