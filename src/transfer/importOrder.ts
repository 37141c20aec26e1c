import { importRole, type ImportRoleInput } from '../../commands/importRole.ts';
import type { RoleRow } from '../../projections/roles.ts';
import { ApiError } from '../domain/errors.ts';
import type { RoleGraph } from '../domain/roleGraph.ts';
import { runToCompletion } from '../domain/timeSliced.ts';
import { WorkBudget } from '../domain/workBudget.ts';
import { singleLine, type RoleEntry } from './importEntries.ts';

/**
 * The roles of an import in an order in which the rules of the import command allow each one after those before it.
 * `problems` name, by file and index, the roles that are never allowed: with ambiguous parameters, with too many
 * parameters, or on a cycle that would expand infinitely. `stored` holds the present roles and is not changed.
 */
export function importOrder(
  stored: RoleGraph<RoleRow>,
  roles: readonly RoleEntry[],
): { ordered: RoleEntry[]; problems: string[] } {
  const graph = stored.clone();
  const ordered: RoleEntry[] = [];
  const problems = new Map<RoleEntry, string>();
  let pending = inDependencyOrder(stored, roles);
  // A role may be refused until another one has been replaced.
  let orderedBefore: number;
  do {
    orderedBefore = ordered.length;
    problems.clear();
    for (const role of pending) {
      const problem = problemOf(role, graph);
      if (problem === undefined) {
        graph.set(role);
        ordered.push(role);
      } else problems.set(role, `${role.source}: ${problem}`);
    }
    pending = pending.filter((role) => problems.has(role));
  } while (pending.length > 0 && ordered.length > orderedBefore);
  return { ordered, problems: roles.flatMap((role) => problems.get(role) ?? []) };
}

/** The command's input for an entry. */
export function importInput({ created, lastModified, source: _, ...role }: RoleEntry): ImportRoleInput {
  return { ...role, imported: { created, lastModified } };
}

function problemOf(role: RoleEntry, graph: RoleGraph<RoleRow>): string | undefined {
  try {
    runToCompletion(importRole.decide(importInput(role), graph, { now: new Date(), work: new WorkBudget() }));
    return undefined;
  } catch (error) {
    if (error instanceof ApiError) return singleLine(error.message);
    throw error;
  }
}

/**
 * Topological order, depth first. The stack is explicit because chains of roles may be long. The order within a cycle
 * is arbitrary.
 */
function inDependencyOrder(stored: RoleGraph<RoleRow>, roles: readonly RoleEntry[]): RoleEntry[] {
  const graph = stored.clone();
  for (const role of roles) graph.set(role);
  const entries = new Map(roles.map((role) => [role.roleId, role]));
  const ordered = new Set<RoleEntry>();
  const visited = new Set<string>();
  for (const { roleId } of roles) {
    const stack = [{ roleId, done: false }];
    while (stack.length > 0) {
      const top = stack.pop()!;
      const entry = entries.get(top.roleId);
      if (!entry) continue;
      if (top.done) ordered.add(entry);
      else if (!visited.has(top.roleId)) {
        visited.add(top.roleId);
        stack.push({ roleId: top.roleId, done: true });
        for (const dependency of runToCompletion(graph.dependenciesOf(entry, new WorkBudget())))
          stack.push({ roleId: dependency, done: false });
      }
    }
  }
  return [...ordered];
}
