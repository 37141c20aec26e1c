import { Expansions } from './expansions.ts';
import type { RolesSnapshot } from './rolesSnapshot.ts';
import { mergeInSlices, normalizeInSlices } from './scopes.ts';
import type { TimeSliced } from './timeSliced.ts';
import type { WorkBudget } from './workBudget.ts';

/**
 * What scopes expand to by the roles of a snapshot, in normal form, in time slices; nothing is kept for the next time.
 * It refills the budget. Throws ExpansionTooLarge.
 */
export function* expandIn(
  roles: RolesSnapshot,
  scopes: readonly string[],
  work: WorkBudget,
): TimeSliced<readonly string[]> {
  work.refill();
  const held = yield* normalizeInSlices(scopes, work);
  // It covers everything that a role could grant.
  if (held[0] === '*') return held;
  const lists = yield* new Expansions().listsOf(held, roles, work);
  return yield* mergeInSlices([held, ...lists], work);
}
