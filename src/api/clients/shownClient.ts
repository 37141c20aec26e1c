import type { ClientRow } from '../../../projections/clients.ts';
import type { WorkBudget } from '../../domain/workBudget.ts';
import type { TimeSliced } from '../../domain/timeSliced.ts';
import { type ExpandedEntry, expandedOr, type Incomplete } from '../../http/expandedEntry.ts';
import { type Listing, piecesOf } from '../../http/page.ts';
import type { LongWork } from '../../process/longWork.ts';
import type { LastUsed } from '../../readSide/lastUsed.ts';
import type { Projector } from '../../readSide/projector.ts';
import type { StoredRow } from '../../readStore/readStore.ts';

/** Clients of a list whose last use is asked for at the same time: that store may be on another machine. */
const SHOWN_AT_ONCE = 16;

/** A client as replies show it. */
export type ShownClient = Omit<ClientRow, 'revision' | 'creationRevision' | 'credential'> &
  ExpandedEntry & { lastDateUsed: string };
type Used = { client: ClientRow; lastDateUsed: string };

/** A client as replies show it, in slices. Throws ExpansionTooLarge unless such clients are noted as incomplete. */
export function* shownClient(
  { roleGraph }: Pick<Projector, 'roleGraph'>,
  { client, lastDateUsed, incomplete }: Used & { incomplete?: Incomplete },
  work: WorkBudget,
): TimeSliced<ShownClient> {
  const { revision: _, creationRevision: __, credential: ___, ...rest } = client;
  const { clientId: name, scopes } = rest;
  const expand = (counted: WorkBudget) => roleGraph.expandInSlices(scopes, counted);
  const expandedScopes = incomplete
    ? yield* expandedOr({ name, scopes, incomplete }, expand, work)
    : yield* expand(work);
  return { ...rest, lastDateUsed, expandedScopes };
}

/** What clients are shown from. */
export type ClientViews = { projector: Projector; lastUsed: LastUsed; longWork: LongWork };
type Rows = AsyncIterable<StoredRow<ClientRow>> | Iterable<StoredRow<ClientRow>>;

/** Clients as replies show them, all in the order of their clientIds where no rows are given, as a list in pieces. */
export function clientsInPieces(
  { projector, lastUsed, longWork }: ClientViews,
  {
    rows = projector.clients.all(),
    incomplete = new Set<string>(),
    ...listing
  }: Omit<Listing<Used>, 'show' | 'longWork'> & { rows?: Rows; incomplete?: Incomplete },
): AsyncGenerator<string> {
  return piecesOf(usedClients(lastUsed, rows), {
    ...listing,
    longWork,
    show: (used, work) => shownClient(projector, { ...used, incomplete }, work),
  });
}

async function* usedClients(lastUsed: LastUsed, rows: Rows): AsyncGenerator<Used> {
  const clients: ClientRow[] = [];
  const used = () =>
    Promise.all(
      clients.splice(0).map(async (client) => ({ client, lastDateUsed: await lastUsed.of(client) })),
    );
  for await (const { value } of rows) {
    if (clients.push(value) === SHOWN_AT_ONCE) yield* await used();
  }
  yield* await used();
}

/** Of these clients, those that are too much to expand, in slices. */
export function* incompleteAmong(
  projector: Pick<Projector, 'roleGraph'>,
  rows: Iterable<StoredRow<ClientRow>>,
  work: WorkBudget,
): TimeSliced<Incomplete> {
  const incomplete: Incomplete = new Set();
  for (const { value } of rows)
    yield* shownClient(projector, { client: value, lastDateUsed: '', incomplete }, work);
  return incomplete;
}
