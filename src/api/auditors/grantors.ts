import type { Goal } from '../../domain/holders.ts';
import { compareScopes, covers } from '../../domain/scopes.ts';
import type { TimeSliced } from '../../domain/timeSliced.ts';
import { matchesWithin } from '../../domain/waysTo.ts';
import { ExpansionTooLarge, sizeOfScopes, type WorkBudget } from '../../domain/workBudget.ts';
import type { LongWork, WorkFor } from '../../process/longWork.ts';
import type { SatisfyingClients } from '../../readSide/satisfyingClients.ts';
import type { Roles, State } from '../../readSide/state.ts';

/** The beginnings of the scopes to give scopes to a client or role, which its giver needs, too. */
const RIGHTS = ['auth:create-client:', 'auth:create-role:', 'auth:update-client:', 'auth:update-role:'];
/** Units of work to find the rights among a client's scopes. */
const RIGHTS_UNITS = 100;
/** The most rights that are listed of a client. */
const MAX_RIGHTS = 20;

/**
 * A client that could give what was asked about: its scopes for it, as far as `complete` says, of which one with a star
 * may stand for all.
 */
export type Grantor = {
  clientId: string;
  disabled: boolean;
  expired: boolean;
  rights: string[];
  complete: boolean;
};

/** The goal of whoever could give what satisfies a goal: to satisfy it, and to have the right to give it to some. */
export function grantorsGoal(goal: Goal): Goal {
  return {
    AllOf: [goal, { AnyOf: RIGHTS.map((right) => ({ name: `${right}*`, matches: matchesWithin(right) })) }],
  };
}

/** Those that were found; `complete` says whether these are all. */
export type Grantors = { clients: Grantor[]; complete: boolean };

/** Clients that satisfy that goal, with their rights. */
export async function grantorsAmong(
  { clients, last }: SatisfyingClients,
  { state, longWork, owner }: { state: Pick<State, 'rolesReachedBy'>; longWork: LongWork; owner: WorkFor },
): Promise<Grantors> {
  const roles = await state.rolesReachedBy(clients.flatMap(({ client: { scopes } }) => scopes));
  const grantors = await longWork.run(owner, function* (work) {
    const all: Grantor[] = [];
    for (const { client, expired } of clients) {
      const { clientId, disabled, scopes } = client;
      const rights = yield* rightsIn(scopes, roles, work);
      all.push({
        clientId,
        disabled,
        expired,
        rights: rights?.slice(0, MAX_RIGHTS) ?? [],
        complete: rights !== undefined && rights.length <= MAX_RIGHTS,
      });
    }
    return all;
  });
  return { clients: grantors, complete: last === undefined };
}

/** The first rights that scopes expand to, at least one more than are listed; undefined if they are too large to expand. */
function* rightsIn(
  scopes: readonly string[],
  roles: Pick<Roles, 'expandInSlices'>,
  work: WorkBudget,
): TimeSliced<string[] | undefined> {
  // Even an expansion that is in a cache is looked up by all scopes.
  if (work.spendUnlimited(RIGHTS_UNITS + sizeOfScopes(scopes))) yield;
  try {
    return rightsAmong(yield* roles.expandInSlices(scopes, work));
  } catch (error) {
    if (error instanceof ExpansionTooLarge) return undefined;
    throw error;
  }
}

/**
 * Of scopes in normal form: those that begin like a right, and the stars that cover such a beginning, which directly
 * precede it there.
 */
function rightsAmong(scopes: readonly string[]): string[] {
  const rights: string[] = [];
  for (const right of RIGHTS) {
    let at = firstNotBefore(right, scopes);
    const covering = scopes[at - 1];
    if (covering !== undefined && covers(covering, right) && rights.at(-1) !== covering)
      rights.push(covering);
    for (; scopes[at]?.startsWith(right) && rights.length <= MAX_RIGHTS; at += 1) rights.push(scopes[at]!);
  }
  return rights;
}

/** The index of the first scope that does not sort before another. */
function firstNotBefore(scope: string, sorted: readonly string[]): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareScopes(sorted[middle]!, scope) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
