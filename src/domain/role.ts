import type { Position } from '../event.ts';
import { ApiError, refuseMissing } from './errors.ts';
import { asCode, fenced } from './markdown.ts';
import type { RoleGraph } from './roleGraph.ts';
import { PARAMETER, type RoleDefinition } from './roleDefinition.ts';
import type { LimitViolation } from './roleTotals.ts';
import { ExpansionTooLarge, type WorkBudget } from './workBudget.ts';
import type { TimeSliced } from './timeSliced.ts';
import type { RoleRow } from '../../projections/roles.ts';

/** The state that role commands decide on: all roles together, because a cycle can involve any of them. */
export type RolesState = Pick<
  RoleGraph<RoleRow>,
  'get' | 'expandInSlices' | 'dependenciesOf' | 'cycleThrough' | 'unboundedCycleThrough' | 'limitViolation'
>;

/**
 * Throws InputError for ambiguous scopes of a parameterised role: with two parameters, or with a star directly before a
 * parameter at the end (an empty parameter would make that star a wildcard).
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

/** Throws InputError, with the cycle in its details, if roles would depend on each other in a cycle. */
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

/** Throws InputError, with the cycle in its details, if a parameter would grow without end along a cycle of roles. */
function refuseUnboundedCycle(cycle: string[] | undefined): void {
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

/** Throws InputError if a role would exceed a limit. */
function refuseViolation(violation: LimitViolation | undefined): void {
  if (violation) throw new ApiError('InputError', violation.message, violation.details);
}

/** Units of work that the validation of one role may take: some tenths of a second. */
const MAX_VALIDATION_UNITS = 2_000_000;

/**
 * Throws InputError for a role that must not be stored: it would be on a cycle (with `unbounded`, only cycles along
 * which a parameter would grow without end are refused) or exceed a limit, or finding that out takes too much work. In
 * time slices.
 */
export function* validateRole(
  role: RoleDefinition,
  { roles, cycles }: { roles: RolesState; cycles: 'all' | 'unbounded' },
  work: WorkBudget,
): TimeSliced<void> {
  work.refill(MAX_VALIDATION_UNITS);
  try {
    if (cycles === 'all') refuseCycle(yield* roles.cycleThrough(role, work));
    else refuseUnboundedCycle(yield* roles.unboundedCycleThrough(role, work));
    refuseViolation(yield* roles.limitViolation(role, work));
  } catch (error) {
    if (!(error instanceof ExpansionTooLarge)) throw error;
    throw new ApiError(
      'InputError',
      `role ${asCode(role.roleId)} grants other roles in too many ways to be judged: it needs fewer scopes that may grant roles`,
      { roleId: role.roleId },
    );
  }
}

/** The stored role. Throws ResourceNotFound if there is none, or was none at a past position. */
export function existingRole(role: RoleRow | undefined, roleId: string, position?: Position): RoleRow {
  return role ?? refuseMissing(`role ${asCode(roleId)}`, { roleId, position });
}
