import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { clients, type ClientRow } from '../../projections/clients.ts';
import { roles, type RoleRow } from '../../projections/roles.ts';
import type { ClientEvent } from '../../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../../schemas/events/roleEvents.ts';
import type { RolesState } from '../domain/role.ts';
import type { Recorded } from '../event.ts';
import type { EventStore, Revision } from '../eventStore/eventStore.ts';
import type { Projector } from '../readSide/projector.ts';
import { fold } from '../projection.ts';
import type { SecretRef } from '../secretStore/secretStore.ts';
import { clientStream, ROLES_STREAM } from '../eventStore/streams.ts';

/** A state on which a command decides, as of a revision of the stream. */
export type StateAt<State> = { state: State; revision: Revision };

/** What a command changes: one row in one stream, and the state on which the command decides. */
export type Subject<State, R> = {
  stream: string;
  /** The state that the read side holds, without a read of the log. The stream may have later events. */
  held(): Promise<StateAt<State>>;
  /** The state as of the stream's last event. */
  load(): Promise<StateAt<State>>;
  row(state: State): R | undefined;
  /** Folds events of this stream into the row. */
  fold(row: R | undefined, events: readonly Recorded[]): R | undefined;
  /** The secret that the row referred to before the change, and no longer does. */
  releasedSecret?(before: R | undefined, after: R | undefined): SecretRef | undefined;
};

/** One client. Its row is the folded state: only newer events are read, never a whole long stream. */
export function clientSubject(
  clientId: string,
  { projector, eventStore }: { projector: Pick<Projector, 'clients'>; eventStore: EventStore },
): Subject<ClientRow | undefined, ClientRow> {
  const stream = clientStream(clientId);
  const foldClient = (row: ClientRow | undefined, events: readonly Recorded[]) =>
    fold(clients, row, events as Recorded<ClientEvent>[]);
  async function foldFrom(row: ClientRow | undefined, fromRevision: number) {
    let state = row;
    for (let from = fromRevision; ;) {
      const { events, revision } = await eventStore.read(stream, { fromRevision: from });
      state = foldClient(state, events);
      from += events.length;
      if (revision === 'none' || from > revision) return { state, revision };
      await yieldToEventLoop();
    }
  }
  return {
    stream,
    fold: foldClient,
    async held() {
      const row = await projector.clients.get(clientId);
      return { state: row, revision: row?.revision ?? 'none' };
    },
    async load() {
      const row = await projector.clients.get(clientId);
      if (row) return foldFrom(row, row.revision + 1);
      const last = await eventStore.readLast(stream);
      if (!last) return { state: undefined, revision: 'none' };
      const gone = last.type === 'ClientDeleted' || last.type === 'ClientExpired';
      return gone ? { state: undefined, revision: last.revision } : foldFrom(undefined, 0);
    },
    row: (state) => state,
    releasedSecret: (before, after) =>
      before && before.credential.id !== after?.credential.id
        ? { clientId, credentialId: before.credential.id }
        : undefined,
  };
}

/** One role; the command sees all roles. */
export function roleSubject(
  roleId: string,
  projector: Pick<Projector, 'roleGraph' | 'rolesRevision' | 'catchUp'>,
): Subject<RolesState, RoleRow> {
  const held = async () => ({ state: projector.roleGraph, revision: projector.rolesRevision });
  return {
    stream: ROLES_STREAM,
    fold: (row, events) => fold(roles, row, events as Recorded<RoleEvent>[]),
    held,
    async load() {
      await projector.catchUp();
      return held();
    },
    row: (state) => state.get(roleId),
  };
}
