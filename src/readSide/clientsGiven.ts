import {
  ANY_OF_MANY,
  clientGiven,
  type ClientScopesRow,
  scopePrefix,
} from '../../projections/clientScopes.ts';
import type { ScopeRange } from '../domain/holders.ts';
import type { Paced } from '../process/paced.ts';
import type { StoredRow } from '../readStore/readStore.ts';
import { compareIds } from './compareIds.ts';
import type { ReadModel } from './readModel.ts';

/** How much is read for one page. */
export const INDEX_SIZES = {
  /** Reads of the table. Beyond that, going through all clients is faster. */
  reads: 1000,
  /** Rows of scopes with few clients that are kept: if there are as many, going through all clients finds them. */
  kept: 4000,
  /** Rows in one read while looking which scopes there are: at a text, and in a range that begins with one. */
  probe: 64,
  scan: 500,
  /** Rows in one read of a scope's clients, at least. */
  chunk: 16,
};
/** Scopes that are read at a time. */
const BATCH_SIZE = 16;
/** Sorts after all clients of a scope, as ids are ASCII. */
const LAST = '\x7f';

type Table = Pick<ReadModel<ClientScopesRow>, 'list'>;
type Parts = { table: Table; paced: Paced; sizes: typeof INDEX_SIZES };
type Question = { after: string | undefined; wanted: number };
type Ranges = readonly ScopeRange[];

/** The clients of a scope that has many, in the order of their ids: those that were read, and whether there are more. */
type Clients = { scope: string; ids: string[]; last: string | undefined };
type Found = { ids: string[]; scopes: Clients[]; reads: number };

/** Some ids in their order. `upTo` is the id up to which all were given so far; undefined if these are the last. */
export type SomeIds = { ids: string[]; upTo: string | undefined };

/**
 * Finds the clients that were ever given a scope in one of the ranges, in the order of their ids, after one. Of several
 * lists of ranges, any of which is enough, it takes the one that leads on fastest. `wanted` is about how many clients are
 * needed. Resolves with undefined if the ranges hold so much that it is faster to go through all clients; ends early,
 * with `upTo`, once that turns out.
 */
export async function clientsGiven(
  { sources, ...question }: Question & { sources: readonly Ranges[] },
  { sizes = INDEX_SIZES, ...rest }: Omit<Parts, 'sizes'> & Partial<Parts>,
): Promise<AsyncIterable<SomeIds> | undefined> {
  const reads = Math.ceil(sizes.reads / sources.length);
  const parts = { ...rest, sizes: { ...sizes, reads } };
  let best: { first: SomeIds; others: AsyncGenerator<SomeIds, undefined> } | undefined;
  for (const ranges of sources) {
    const found = await findScopes({ ranges: withAnyOfMany(ranges), ...question }, parts);
    if (!found) continue;
    const others = merge(found, question, parts);
    const { value: first } = await others.next();
    if (first && (!best || isFurther(first, best.first))) best = { first, others };
    if (first?.upTo === undefined) break;
  }
  return best && withFirst(best.first, best.others);
}

/** Clients that ever had many scopes may have any of them. */
function withAnyOfMany(ranges: Ranges): Ranges {
  return [...ranges, { text: ANY_OF_MANY, isPrefix: false }].sort((a, b) => compareIds(a.text, b.text));
}

function isFurther({ upTo: one }: SomeIds, { upTo: other }: SomeIds): boolean {
  return other !== undefined && (one === undefined || one > other);
}

async function* withFirst(first: SomeIds, others: AsyncIterable<SomeIds>): AsyncGenerator<SomeIds> {
  yield first;
  yield* others;
}

/** Finds which scopes of the ranges there are, jumping over what is in no range. */
async function findScopes(
  { ranges, after = '' }: Question & { ranges: Ranges },
  { table, paced, sizes }: Parts,
): Promise<Found | undefined> {
  const found: Found = { ids: [], scopes: [], reads: 0 };
  let at = 0;
  let key = '';
  while (at < ranges.length) {
    const { text, isPrefix } = ranges[at]!;
    if (compareIds(key, text) < 0) key = text;
    if ((found.reads += 1) > sizes.reads || found.ids.length > sizes.kept) return undefined;
    const limit = isPrefix ? sizes.scan : sizes.probe;
    const page: { rows: StoredRow<ClientScopesRow>[]; last: string | undefined } = await paced(() =>
      table.list({ after: key, limit }),
    );
    const lastScope = page.last === undefined ? undefined : scopeOf(page.last);
    const isInRange = (scope: string): boolean => {
      while (at < ranges.length && isBefore(ranges[at]!, scope)) at += 1;
      return at < ranges.length && contains(ranges[at]!, scope);
    };
    for (const { key: each } of page.rows) {
      const scope = scopeOf(each);
      if (scope === lastScope || !isInRange(scope)) continue;
      const clientId = clientGiven(each);
      if (clientId > after) found.ids.push(clientId);
    }
    if (page.last === undefined) break;
    key = page.last;
    if (!isInRange(lastScope!)) continue;
    // It may have many more: they are read one part after another.
    found.scopes.push({ scope: lastScope!, ids: [], last: after });
    key = scopePrefix(lastScope!) + LAST;
    if (!ranges[at]!.isPrefix) at += 1;
  }
  return found;
}

function scopeOf(key: string): string {
  return key.slice(0, key.indexOf('\n'));
}

function contains({ text, isPrefix }: ScopeRange, scope: string): boolean {
  return isPrefix ? scope.startsWith(text) : scope === text;
}

function isBefore(range: ScopeRange, scope: string): boolean {
  return compareIds(range.text, scope) < 0 && !contains(range, scope);
}

/** Merges the clients of all scopes. In memory is only a part of each. */
async function* merge(
  { ids, scopes, reads }: Found,
  { wanted }: Question,
  { table, paced, sizes }: Parts,
): AsyncGenerator<SomeIds, undefined> {
  const limit = Math.max(sizes.chunk, Math.ceil((1.5 * wanted) / Math.max(scopes.length, 1)));
  let left = sizes.reads - reads + scopes.length;
  let waiting = ids;
  let upTo: string | undefined = '';
  while (upTo !== undefined) {
    const empty = scopes.filter(({ ids: read, last }) => read.length === 0 && last !== undefined);
    if ((left -= empty.length) < 0) return undefined;
    for (let from = 0; from < empty.length; from += BATCH_SIZE)
      await paced(() =>
        Promise.all(empty.slice(from, from + BATCH_SIZE).map((each) => readMore(each, limit, table))),
      );
    // Of each scope that has more clients than were read, they are known up to the last one read.
    upTo = scopes.map(({ last }) => last).reduce(leastId, undefined);
    const some = new Set<string>();
    const later: string[] = [];
    for (const id of waiting) {
      if (isWithin(id, upTo)) some.add(id);
      else later.push(id);
    }
    waiting = later;
    for (const each of scopes) {
      const end = each.ids.findIndex((id) => !isWithin(id, upTo));
      for (const id of each.ids.splice(0, end < 0 ? each.ids.length : end)) some.add(id);
    }
    yield { ids: [...some].sort(compareIds), upTo };
  }
  return undefined;
}

async function readMore(clients: Clients, limit: number, table: Table): Promise<void> {
  const prefix = scopePrefix(clients.scope);
  const { rows, last } = await table.list({ prefix, after: prefix + clients.last!, limit });
  clients.ids = rows.map(({ key }) => clientGiven(key));
  clients.last = last?.slice(prefix.length);
}

function leastId(one: string | undefined, other: string | undefined): string | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one < other ? one : other;
}

function isWithin(id: string, upTo: string | undefined): boolean {
  return upTo === undefined || id <= upTo;
}
