import { ApiError } from './errors.ts';
import { asCode, fenced } from './markdown.ts';
import type { RoleGraph } from './roleGraph.ts';
import type { RoleDefinition } from './roleReach.ts';
import type { Excess } from './roleTotals.ts';
import { ExpansionTooLarge, type Sliced, type Work } from './work.ts';
import type { RoleRow } from '../../projections/roles.ts';

/** The state that role commands decide on: all roles together, as acyclicity concerns them all. */
export type RolesState = Pick<
  RoleGraph<RoleRow>,
  'get' | 'expanding' | 'dependenciesOf' | 'cycleThrough' | 'unboundedCycleThrough' | 'excessOf'
>;

const PARAMETER = '<..>';

/**
 * Throws InputError for scopes of a parameterised role that could be read in two ways: with two parameters, or with a
 * star directly before a parameter at the end (an empty parameter would make that star match everything).
 */
export function refuseAmbiguousScopes(roleId: string, scopes: readonly string[]): void {
  if (!roleId.endsWith('*')) return;
  for (const scope of scopes) {
    if (scope.split(PARAMETER).length > 2) refuseScope(scope, `has more than one ${asCode(PARAMETER)}`);
    if (scope.endsWith(`*${PARAMETER}`))
      refuseScope(scope, `ends with an ambiguous ${asCode(`*${PARAMETER}`)}`);
  }
}

function refuseScope(scope: string, problem: string): never {
  throw new ApiError('InputError', `this scope ${problem}:\n\n${fenced(scope)}`, { scope });
}

/** Throws InputError, with the cycle in its details, when some roles would grant each other in a circle. */
function refuseCycle(cycle: string[] | undefined): void {
  if (!cycle) return;
  throw new ApiError(
    'InputError',
    `roles must not depend on each other in a cycle, found: ${pathOf(cycle)}`,
    {
      cycle,
    },
  );
}

/** Throws InputError, with the cycle in its details, when a parameter would grow for ever along a cycle of roles. */
function refuseEndlessCycle(cycle: string[] | undefined): void {
  if (!cycle) return;
  throw new ApiError(
    'InputError',
    `roles must not hand a parameter on in a cycle along which it grows without end, found: ${pathOf(cycle)}`,
    { cycle },
  );
}

function pathOf(cycle: string[]): string {
  return cycle.map(asCode).join(' -> ');
}

/** Throws InputError when a role would be more than can be expanded. */
function refuseExcess(excess: Excess | undefined): void {
  if (excess) throw new ApiError('InputError', excess.message, excess.details);
}

/** Units of work that the judgement of one role may take: some tenths of a second. */
const MOST_JUDGING = 2_000_000;

/**
 * Throws InputError for a role that must not take the place of the stored one: on a cycle (of `endless` ones only along which a
 * parameter would grow for ever), with more than can be expanded, or where that takes too much work to know. In slices.
 */
export function* judgeRole(
  role: RoleDefinition,
  { roles, cycles }: { roles: RolesState; cycles: 'all' | 'endless' },
  work: Work,
): Sliced<void> {
  work.renew(MOST_JUDGING);
  try {
    if (cycles === 'all') refuseCycle(yield* roles.cycleThrough(role, work));
    else refuseEndlessCycle(yield* roles.unboundedCycleThrough(role, work));
    refuseExcess(yield* roles.excessOf(role, work));
  } catch (error) {
    if (!(error instanceof ExpansionTooLarge)) throw error;
    throw new ApiError(
      'InputError',
      `role ${asCode(role.roleId)} grants other roles in too many ways to be judged: it needs fewer scopes that may grant roles`,
      { roleId: role.roleId },
    );
  }
}

/** The stored role; throws ResourceNotFound where there is none. */
export function existingRole(roles: Pick<RolesState, 'get'>, roleId: string): RoleRow {
  const role = roles.get(roleId);
  if (!role) throw new ApiError('ResourceNotFound', `role ${asCode(roleId)} does not exist`, { roleId });
  return role;
}
