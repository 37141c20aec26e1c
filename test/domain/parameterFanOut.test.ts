import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RoleIndex } from '../../src/domain/roleIndex.ts';
import { ROLE_LIMITS, RoleTotals } from '../../src/domain/roleTotals.ts';
import { WorkBudget } from '../../src/domain/workBudget.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import type { PlainRole } from './plainExpansion.ts';
import { histories } from '../histories.ts';

/** The message of the limit that a role would exceed among others. */
function violationIn(role: PlainRole, index: RoleIndex<PlainRole>, maxGrants?: number): string | undefined {
  const fromOne = { grants: maxGrants ?? 1000, scopes: Infinity };
  const totals = new RoleTotals(index, { ...ROLE_LIMITS, scopes: Infinity, fanOut: fromOne });
  totals.recount();
  return runToCompletion(totals.limitViolation(role, new WorkBudget()))?.message;
}

function indexOf(roles: Iterable<PlainRole>): RoleIndex<PlainRole> {
  const index = new RoleIndex<PlainRole>();
  for (const role of roles) index.set(role);
  return index;
}

/** Each passes its parameter on to the next in two ways. */
const doubling = Array.from({ length: 12 }, (_, i) => ({
  roleId: `r${i}/*`,
  scopes: [`assume:r${i + 1}/<..>a`, `assume:r${i + 1}/<..>b`],
}));

describe('a role is refused whose fan-out of one parameter is too large', () => {
  test('because it passes it on in two ways, to roles that do the same', () => {
    const [first, ...others] = doubling;
    expect(violationIn(first!, indexOf(others.slice(0, 8)))).toBeUndefined();
    expect(violationIn(first!, indexOf(others.slice(0, 9)))).toMatch("role 'r0/*'");
  });

  test('or that makes the fan-out of another role too large, which passes its parameter on to it', () => {
    const last = doubling[9]!;
    expect(violationIn(last, indexOf(doubling.slice(0, 9)))).toMatch("role 'r0/*'");
    expect(violationIn({ ...last, scopes: ['x'] }, indexOf(doubling.slice(0, 9)))).toBeUndefined();
    expect(violationIn(doubling[11]!, indexOf(doubling.slice(2, 11)))).toMatch("role 'r2/*'");
  });

  test('but not for many paths to the same grants', () => {
    const ladder = Array.from({ length: 60 }, (_, i) => [
      { roleId: `r${i}/*`, scopes: [`assume:s${i}/<..>`, `assume:t${i}/<..>`] },
      { roleId: `s${i}/*`, scopes: [`assume:r${i + 1}/<..>`] },
      { roleId: `t${i}/*`, scopes: [`assume:r${i + 1}/<..>`] },
    ]).flat();
    expect(violationIn(ladder[0]!, indexOf(ladder))).toBeUndefined();
  });

  test('nor for many roles that differ in the beginning of the parameter that grants them', () => {
    const roles = Array.from({ length: 900 }, (_, i) => ({ roleId: `r/${i}*`, scopes: ['x:<..>'] }));
    expect(violationIn({ roleId: 'p*', scopes: ['assume:r/<..>'] }, indexOf(roles))).toBeUndefined();
  });
});

test('whatever a role is granted with, it makes no more grants of that than were counted', () => {
  const kinds = ['p', 'q', 'r', 's'];
  const text = fc.constantFrom('', '', 'a', 'b', 'ab');
  const scope = fc.oneof(
    fc.tuple(fc.nat(2), text, fc.constantFrom('', '', 'a', 'b', '*')).map(
      ([by, start, end]) =>
        (at: number) =>
          `assume:${kinds[(at + 1 + by) % 4]}${start}<..>${end}`,
    ),
    fc.constantFrom('x:<..>', 'assume:<..>', 'assume:q').map((each) => () => each),
  );
  const role = fc
    .record({ at: fc.nat(3), text, scopes: fc.array(scope, { minLength: 1, maxLength: 4 }) })
    .map(({ at, text: start, scopes }) => ({
      roleId: `${kinds[at]}${start}*`,
      scopes: [...new Set(scopes.map((each) => each(at)))],
    }));
  const most = fc.integer({ min: 1, max: 30 });
  let [allowed, refused] = [0, 0];
  fc.assert(
    fc.property(
      fc.array(role, { minLength: 5, maxLength: 12, size: 'max' }),
      most,
      fc.stringMatching(/^[abp-s:]{0,5}[*]?$/),
      (roles, upTo, given) => {
        const index = indexOf([]);
        for (const each of roles) {
          if (violationIn(each, index, upTo) === undefined) index.set(each);
          else refused += 1;
        }
        for (const { roleId } of index.values()) {
          const count = plainCount([...index.values()], { roleId, parameter: given });
          expect(count).toBeLessThanOrEqual(upTo);
          if (count > 3) allowed += 1;
        }
      },
    ),
    histories(300),
  );
  expect(Math.min(allowed, refused)).toBeGreaterThan(5);
});

type Grant = { roleId: string; parameter: string };

/** How many grants come from one, through scopes with a parameter, counted one by one. */
function plainCount(roles: PlainRole[], first: Grant): number {
  const takes = ({ scopes }: PlainRole): boolean => scopes.some((each) => each.includes('<..>'));
  const found = new Map([[JSON.stringify(first), first]]);
  for (const { roleId, parameter } of found.values()) {
    for (const each of roles
      .find((role) => role.roleId === roleId)!
      .scopes.filter((s) => s.includes('<..>'))) {
      const [before, after] = each.split('<..>');
      const scope = before + parameter + (parameter.endsWith('*') ? '' : after);
      for (const role of roles.filter(takes)) {
        const start = `assume:${role.roleId.slice(0, -1)}`;
        const isCovered = scope.endsWith('*') && start.startsWith(scope.slice(0, -1));
        if (!scope.startsWith(start) && !isCovered) continue;
        const next = {
          roleId: role.roleId,
          parameter: scope.startsWith(start) ? scope.slice(start.length) : '*',
        };
        found.set(JSON.stringify(next), next);
      }
    }
    if (found.size > 10_000) return Infinity;
  }
  return found.size;
}
