import type { Path } from '../../src/domain/paths.ts';
import { covers, satisfies } from '../../src/domain/scopes.ts';
import { type PlainRole, plainExpansion } from './plainExpansion.ts';

/** Whether every step of a path holds by the rules, looked at one by one: the oracle of explanations. */
export function isValidPath(
  { held, steps }: Path,
  { roles, held: all, target }: { roles: readonly PlainRole[]; held: readonly string[]; target: string },
): boolean {
  if (!all.includes(held)) return false;
  let scope = held;
  for (const step of steps) {
    const role = roles.find(({ roleId }) => roleId === step.roleId);
    if (!role?.scopes.includes(step.grant)) return false;
    // Alone, the scope before and this grant of the role give the scope after.
    const given = plainExpansion([{ roleId: role.roleId, scopes: [step.grant] }], [scope]);
    if (!satisfies(given, step.scope)) return false;
    scope = step.scope;
  }
  return covers(scope, target);
}
