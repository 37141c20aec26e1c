import type { ClientRow } from '../../../projections/clients.ts';
import type { TimeSliced } from '../../domain/timeSliced.ts';
import type { WorkBudget } from '../../domain/workBudget.ts';
import { expandOrMarkIncomplete, type Incomplete } from '../../http/incomplete.ts';
import { type ExpandedEntry } from '../../http/entryReply.ts';
import { type ListFormat, listChunks } from '../../http/listChunks.ts';
import type { RequestedState } from '../../http/requestedState.ts';
import type { LongWork } from '../../process/longWork.ts';
import type { Roles, State } from '../../readSide/state.ts';
import type { StoredRow } from '../../readStore/readStore.ts';

/** Clients whose last use is read at a time, as that store may be on another machine. */
const BATCH_SIZE = 16;

/** A client as replies show it. */
export type ClientView = Omit<ClientRow, 'revision' | 'creationRevision' | 'credential'> &
  ExpandedEntry & { lastDateUsed: string };
type ClientWithUse = { client: ClientRow; lastDateUsed: string };

/**
 * Makes the view of a client, in slices. Throws ExpansionTooLarge, or adds the client to `incomplete` if that is given.
 */
export function* clientView(
  roles: Pick<Roles, 'expandInSlices'>,
  { client, lastDateUsed, incomplete }: ClientWithUse & { incomplete?: Incomplete },
  work: WorkBudget,
): TimeSliced<ClientView> {
  const { revision: _, creationRevision: __, credential: ___, ...rest } = client;
  const { clientId: name, scopes } = rest;
  const expand = (counted: WorkBudget) => roles.expandInSlices(scopes, counted);
  const expandedScopes = incomplete
    ? yield* expandOrMarkIncomplete({ name, scopes, incomplete }, expand, work)
    : yield* expand(work);
  return { ...rest, lastDateUsed, expandedScopes };
}

/** The dependencies of methods that read clients. */
export type ClientReadParts = { requestedState: RequestedState; longWork: LongWork };
type Rows = AsyncIterable<StoredRow<ClientRow>> | Iterable<StoredRow<ClientRow>>;

/** A JSON list of clients in chunks, in the order of the rows, with these roles. */
export function clientListChunks(
  {
    rows,
    roles,
    lastUsed,
  }: { rows: Rows; roles: Pick<Roles, 'expandInSlices'>; lastUsed: State['lastUsed'] },
  {
    incomplete = new Set<string>(),
    ...listing
  }: Omit<ListFormat<ClientWithUse>, 'toJson'> & { incomplete?: Incomplete },
): AsyncGenerator<string> {
  return listChunks(withLastUse(lastUsed, rows), {
    ...listing,
    toJson: (used, work) => clientView(roles, { ...used, incomplete }, work),
  });
}

async function* withLastUse(lastUsed: State['lastUsed'], rows: Rows): AsyncGenerator<ClientWithUse> {
  const clients: ClientRow[] = [];
  const used = () =>
    Promise.all(clients.splice(0).map(async (client) => ({ client, lastDateUsed: await lastUsed(client) })));
  for await (const { value } of rows) {
    if (clients.push(value) === BATCH_SIZE) yield* await used();
  }
  yield* await used();
}

/** Finds the clients that are too large to expand, in slices. */
export function* findIncompleteClients(
  roles: Pick<Roles, 'expandInSlices'>,
  rows: Iterable<StoredRow<ClientRow>>,
  work: WorkBudget,
): TimeSliced<Incomplete> {
  const incomplete: Incomplete = new Set();
  for (const { value } of rows)
    yield* clientView(roles, { client: value, lastDateUsed: '', incomplete }, work);
  return incomplete;
}
