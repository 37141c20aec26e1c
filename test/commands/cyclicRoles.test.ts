import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createRole } from '../../commands/createRole.ts';
import { importRole } from '../../commands/importRole.ts';
import { updateRole } from '../../commands/updateRole.ts';
import type { RoleRow } from '../../projections/roles.ts';
import type { Command } from '../../src/command.ts';
import { ApiError } from '../../src/domain/errors.ts';
import type { RolesState } from '../../src/domain/role.ts';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { roleChecks } from '../roleChecks.ts';
import { WorkBudget } from '../../src/domain/workBudget.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import type { Event } from '../../src/event.ts';
import type { RoleEntry } from '../../src/transfer/importEntries.ts';
import { importInput, importOrder } from '../../src/transfer/importOrder.ts';
import { NOW } from '../decisionsOf.ts';
import { anyRoles, forwardingRoles, type RoleStep } from '../domain/anyRoles.ts';
import { plainCycleLength, plainDependsOn, plainExpansion } from '../domain/plainExpansion.ts';
import { sharedFile, testWithShared } from '../sharedData.ts';
import { histories } from '../histories.ts';

const DATES = { created: NOW.toJSON(), lastModified: NOW.toJSON() };
const entry = (roleId: string, scopes: string[], description = ''): RoleEntry => ({
  roleId,
  scopes,
  description,
  ...DATES,
  source: `roles.json[${roleId}]`,
});

/** The error with which a command refuses an input; undefined if it accepts it. */
function refusalOf<I>(
  command: Command<I, RolesState, Event>,
  input: I,
  graph: RoleGraph<RoleRow>,
): ApiError | undefined {
  try {
    runToCompletion(command.decide(input, graph, { now: NOW, work: new WorkBudget() }));
    return undefined;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
}

/** Roles imported one by one, without those that the import refuses. Many of them are on cycles. */
function imported(steps: RoleStep[]): RoleGraph<RoleRow> {
  const graph = new RoleGraph<RoleRow>();
  for (const { roleId, scopes } of steps) {
    const role = entry(roleId, scopes ?? []);
    if (!refusalOf(importRole, importInput(role), graph)) graph.set(role);
  }
  return graph;
}

const rolesOf = (graph: RoleGraph<RoleRow>): RoleRow[] =>
  graph.idsAfter(undefined, Infinity).map((roleId) => graph.get(roleId)!);

/** Throws if an expansion does not end. */
function expandAll(roles: RoleRow[], held: string[]): void {
  for (const { roleId } of roles) plainExpansion(roles, [`assume:${roleId}`]);
  plainExpansion(roles, held);
}

type Change = (roles: RoleRow[]) => { roleId: string; scopes: string[] };

/** Any role, or a stored one with scopes removed, added and changed. */
function anyChange(step: fc.Arbitrary<RoleStep>): fc.Arbitrary<Change> {
  const anyRole = step.map(({ roleId, scopes }): Change => () => ({ roleId, scopes: scopes ?? [] }));
  const ofStored = fc
    .tuple(fc.nat(), fc.array(fc.constantFrom('as it is', 'out', 'grown')), fc.option(step))
    .map(([at, fates, other]): Change => (roles) => {
      const role = roles[at % roles.length] ?? entry('a', []);
      const changed = role.scopes.flatMap((scope, i) => {
        if (fates[i] === 'out') return [];
        return fates[i] === 'grown' ? `${scope}a` : scope;
      });
      return { roleId: role.roleId, scopes: [...changed, ...(other?.scopes ?? [])] };
    });
  return fc.oneof(anyRole, ofStored);
}

const kinds: [string, fc.Arbitrary<RoleStep>, number][] = [
  ['any roles', anyRoles(), 10],
  ['roles that pass parameters on', forwardingRoles(), 14],
];

test.each(kinds)(
  'of %s with cycles, an update is refused for a cycle just if it adds a dependency, and accepted ones have finite expansions',
  (_, step, maxLength) => {
    let [onCycles, refused, taken] = [0, 0, 0];
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 3, maxLength, size: 'max' }),
        fc.array(fc.tuple(anyChange(step), step), { minLength: 1, maxLength: 6 }),
        (given, changes) => {
          const graph = imported(given);
          for (const [change, { held }] of changes) {
            const { roleId, scopes } = change(rolesOf(graph));
            const stored = graph.get(roleId);
            const next = { ...(stored ?? entry(roleId, [])), scopes, description: 'changed' };
            const after = [...rolesOf(graph).filter((role) => role.roleId !== roleId), next];
            const adds = after.some(
              (other) =>
                plainDependsOn(next, other.roleId) && !(stored && plainDependsOn(stored, other.roleId)),
            );
            const isOnCycle = plainCycleLength(after, roleId) !== undefined;
            const refusal = refusalOf<RoleEntry>(
              stored ? updateRole : createRole,
              { ...next, source: '' },
              graph,
            );
            if (refusal?.details['scope'] === undefined) {
              const isForCycle = refusal?.message.includes('depend on each other in a cycle') ?? false;
              expect(isForCycle).toBe(adds && isOnCycle);
            }
            if (isOnCycle && refusal?.details['cycle'])
              expect(refusal.details['cycle']).toEqual(expect.arrayContaining([roleId]));
            if (isOnCycle) onCycles += 1;
            if (refusal) refused += 1;
            else {
              taken += isOnCycle ? 1 : 0;
              graph.set(next);
              expandAll(rolesOf(graph), held);
            }
          }
        },
      ),
      histories(60),
    );
    expect(Math.min(onCycles, refused, taken)).toBeGreaterThan(0);
  },
);

test.each(kinds)(
  'of %s with cycles, each can get another description and fewer scopes',
  (_, step, maxLength) => {
    let onCycles = 0;
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 3, maxLength, size: 'max' }),
        fc.func(fc.boolean()),
        (given, stays) => {
          const graph = imported(given);
          for (const role of rolesOf(graph)) {
            if (roleChecks(graph).cycleThrough(role)) onCycles += 1;
            for (const scopes of [role.scopes, role.scopes.filter(stays), []]) {
              const next = { ...role, scopes, description: 'another' };
              expect(refusalOf(updateRole, next, graph)).toBeUndefined();
            }
          }
        },
      ),
      histories(60),
    );
    expect(onCycles).toBeGreaterThan(20);
  },
);

test.each(kinds)(
  'of %s, an import accepts every valid set, and its dry run predicts its run',
  (_, step, maxLength) => {
    let [possible, impossible, updates] = [0, 0, 0];
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 2, maxLength, size: 'max' }),
        fc.uniqueArray(step, { minLength: 2, maxLength, size: 'max', selector: ({ roleId }) => roleId }),
        (given, wanted) => {
          const graph = imported(given);
          const entries = wanted.map(({ roleId, scopes }) => entry(roleId, scopes ?? [], 'wanted'));
          updates += entries.filter(({ roleId }) => graph.get(roleId)).length;
          const goal = graph.clone();
          for (const role of entries) goal.set(role);
          const mayBe = entries.every(
            (role) => !refusalOf(importRole, importInput(role), without(goal, role)),
          );
          const { ordered, problems } = importOrder(graph, entries);
          expect(problems.length === 0).toBe(mayBe);
          expect(ordered.length + problems.length).toBe(entries.length);
          if (mayBe) possible += 1;
          else impossible += 1;
          for (const role of ordered) {
            expect(refusalOf(importRole, importInput(role), graph)).toBeUndefined();
            graph.set(role);
          }
          expandAll(rolesOf(graph), []);
        },
      ),
      histories(60),
    );
    expect(Math.min(possible, impossible, updates)).toBeGreaterThan(5);
  },
);

/**
 * The same roles, but one of them has no scopes yet, so that its import is validated: it is neither unchanged nor a
 * reduction.
 */
function without(graph: RoleGraph<RoleRow>, role: RoleEntry): RoleGraph<RoleRow> {
  const other = graph.clone();
  other.set({ ...role, scopes: [], description: 'former' });
  return other;
}

testWithShared(
  'data/taskcluster-roles.json',
  'each role of a production deployment can get another description, and lose any of its scopes',
  () => {
    const file = readFileSync(sharedFile('data/taskcluster-roles.json'), 'utf8');
    const graph = new RoleGraph<RoleRow>();
    graph.load(JSON.parse(file) as RoleRow[]);
    const onCycles = rolesOf(graph).filter((role) => roleChecks(graph).cycleThrough(role));
    expect(onCycles).toHaveLength(9);
    for (const role of onCycles) {
      const fewer = role.scopes.map((_, left) => role.scopes.filter((_each, i) => i !== left));
      for (const scopes of [role.scopes, ...fewer])
        expect(refusalOf(updateRole, { ...role, scopes, description: 'another' }, graph)).toBeUndefined();
    }
  },
);
