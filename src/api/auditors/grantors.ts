import type { Goal } from '../../domain/holders.ts';
import { matchesWithin } from '../../domain/waysTo.ts';
import { ExpansionTooLarge } from '../../domain/workBudget.ts';
import type { LongWork, WorkFor } from '../../process/longWork.ts';
import type { SatisfyingClients } from '../../readSide/satisfyingClients.ts';
import type { Roles, State } from '../../readSide/state.ts';

/** The beginnings of the scopes to give scopes to a client or role, which its giver needs, too. */
const RIGHTS = ['auth:create-client:', 'auth:create-role:', 'auth:update-client:', 'auth:update-role:'];
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

/** Clients that satisfy that goal, with their rights. */
export async function grantorsAmong(
  { clients, last }: SatisfyingClients,
  { state, longWork, owner }: { state: Pick<State, 'rolesReachedBy'>; longWork: LongWork; owner: WorkFor },
): Promise<{ clients: Grantor[]; complete: boolean }> {
  const roles = await state.rolesReachedBy(clients.flatMap(({ client: { scopes } }) => scopes));
  const grantors: Grantor[] = [];
  for (const { client, expired } of clients) {
    const { clientId, disabled, scopes } = client;
    const rights = await rightsIn(scopes, roles, { longWork, owner });
    grantors.push({
      clientId,
      disabled,
      expired,
      rights: rights?.slice(0, MAX_RIGHTS) ?? [],
      complete: rights !== undefined && rights.length <= MAX_RIGHTS,
    });
  }
  return { clients: grantors, complete: last === undefined };
}

/** Undefined if the scopes are too large to expand. */
async function rightsIn(
  scopes: readonly string[],
  roles: Pick<Roles, 'expandInSlices'>,
  { longWork, owner }: { longWork: LongWork; owner: WorkFor },
): Promise<string[] | undefined> {
  try {
    return await longWork.run(owner, function* (work) {
      const expanded = yield* roles.expandInSlices(scopes, work);
      work.spendUnlimited(expanded.length);
      return expanded.filter(isRight);
    });
  } catch (error) {
    if (error instanceof ExpansionTooLarge) return undefined;
    throw error;
  }
}

function isRight(scope: string): boolean {
  const start = scope.endsWith('*') ? scope.slice(0, -1) : undefined;
  return RIGHTS.some((right) => scope.startsWith(right) || (start !== undefined && right.startsWith(start)));
}
