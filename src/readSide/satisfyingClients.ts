import type { ClientRow } from '../../projections/clients.ts';
import type { ClientScopesRow } from '../../projections/clientScopes.ts';
import { isExpired } from '../domain/client.ts';
import type { Holders, SatisfyingWay } from '../domain/holders.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import { makePaced } from '../process/paced.ts';
import { clientsGiven, INDEX_SIZES } from './clientsGiven.ts';
import type { ReadModel } from './readModel.ts';
import type { State } from './state.ts';

/** How many clients are looked at, and how much is read. */
const SIZES = {
  ...INDEX_SIZES,
  /** So few ways have few scopes, so that the index is asked at once. */
  fewWays: 100,
  /** One after another, before the index is asked about many ways: where many satisfy, that fills a page. */
  firstLook: 300,
  /** For one page, at most. */
  page: 10_000,
};
/** Clients that are looked at at a time. */
const BATCH_SIZE = 100;
/** What a short page counts as: of the past, very many were looked at that were not there. */
const SHORT_PAGE = 1000;
/** A page ends once the ways in it have about so many characters. */
const MAX_CHARACTERS = 1_000_000;

/** A client that satisfies what was asked for. */
export type SatisfyingClient = { client: ClientRow; expired: boolean; ways: SatisfyingWay[] };

/** `last` is the id to go on after; undefined if there are no further clients. */
export type SatisfyingClients = { clients: SatisfyingClient[]; last: string | undefined };

/**
 * Those asked for: after an id, at most `limit`, as of a state. Whether they had expired is judged at `time`; disabled and
 * expired ones are left out unless `includeDisabled`.
 */
export type ClientQuestion = {
  holders: Holders;
  state: Pick<State, 'client' | 'clients'>;
  after: string | undefined;
  limit: number;
  time: Date;
  includeDisabled: boolean;
};

/** Finds the next clients, in the order of their ids. A page may be short, or even empty, before the end. */
export type FindClients = (question: ClientQuestion, owner: WorkFor) => Promise<SatisfyingClients>;

type Parts = {
  projector: { clientScopes: Pick<ReadModel<ClientScopesRow>, 'list'> };
  longWork: LongWork;
  sizes?: typeof SIZES;
};

/**
 * Makes the search for clients by the scopes that they were ever given, each of which is asked about its state at the
 * moment in question. It throws ServiceUnavailable while that table is being built.
 */
export function makeFindClients({ projector, longWork, sizes = SIZES }: Parts): FindClients {
  return async (question, owner) => {
    const { holders, state, limit, time, includeDisabled } = question;
    const paced = makePaced(longWork, owner);
    const clients: SatisfyingClient[] = [];
    let characters = 0;
    let lookedAt = 0;
    let last = question.after;

    /** Adds those that satisfy. Returns whether the page is full; then `last` is the last one looked at. */
    async function take(rows: readonly ClientRow[]): Promise<boolean> {
      for (let from = 0; from < rows.length; from += BATCH_SIZE) {
        const batch = rows.slice(from, from + BATCH_SIZE);
        const isFull = await longWork.run(owner, function* (work) {
          for (const client of batch) {
            last = client.clientId;
            lookedAt += 1;
            const expired = isExpired(client, time);
            if ((client.disabled || expired) && !includeDisabled) continue;
            const ways = yield* holders.waysOfClient(client.scopes, work);
            if (!ways) continue;
            clients.push({ client, expired, ways });
            characters += JSON.stringify(ways).length;
            if (clients.length === limit || characters > MAX_CHARACTERS) return true;
          }
          return false;
        });
        if (isFull) return true;
      }
      return false;
    }

    /** Looks at so many clients one after another. Returns whether the page is full or there are no more. */
    async function lookThrough(count: number): Promise<boolean> {
      for (let left = count; left > 0;) {
        const page = await paced(() => state.clients({ after: last, limit: Math.min(left, BATCH_SIZE) }));
        if (await take(page.rows.map(({ value }) => value))) return true;
        last = page.last;
        if (last === undefined) return true;
        left -= page.rows.length < BATCH_SIZE ? SHORT_PAGE : BATCH_SIZE;
      }
      return false;
    }

    async function lookUp(ids: readonly string[]): Promise<boolean> {
      for (let from = 0; from < ids.length && lookedAt < sizes.page; from += BATCH_SIZE) {
        const batch = ids.slice(from, from + BATCH_SIZE);
        const rows = await paced(() => Promise.all(batch.map((id) => state.client(id))));
        if (await take(rows.filter((row) => row !== undefined))) return true;
        lookedAt += rows.filter((row) => row === undefined).length;
        last = batch.at(-1);
      }
      return lookedAt >= sizes.page;
    }

    const found = (): SatisfyingClients => ({ clients, last });
    const isLikelyRare = holders.fewestWays <= sizes.fewWays;
    if (!isLikelyRare && (await lookThrough(Math.max(sizes.firstLook, limit)))) return found();
    const sources = await longWork.run(owner, (work) => holders.sources(work));
    const wanted = limit - clients.length;
    const table = projector.clientScopes;
    const given = await clientsGiven({ sources, after: last, wanted }, { table, paced, sizes });
    if (!given) {
      await lookThrough(sizes.page - lookedAt);
      return found();
    }
    for await (const { ids, upTo } of given) {
      if (await lookUp(ids)) return found();
      last = upTo;
    }
    return found();
  };
}
