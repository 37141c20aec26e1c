import { importRole, type ImportRoleInput } from '../../commands/importRole.ts';
import type { RoleRow } from '../../projections/roles.ts';
import { ApiError } from '../domain/errors.ts';
import type { RoleGraph } from '../domain/roleGraph.ts';
import { WorkBudget } from '../domain/workBudget.ts';
import { runToCompletion } from '../domain/timeSliced.ts';
import { inOneLine, type RoleEntry } from './importEntries.ts';

/**
 * The roles of an import in an order in which each may be taken over once those before it are, by the very rules of the run.
 * `problems` name, by file and index, those that can never be: with ambiguous parameters, with too many parameters for one,
 * or on a cycle that would expand without end. `stored` holds the roles as they are now, and stays as it is.
 */
export function importOrder(
  stored: RoleGraph<RoleRow>,
  roles: readonly RoleEntry[],
): { ordered: RoleEntry[]; problems: string[] } {
  const graph = stored.clone();
  const ordered: RoleEntry[] = [];
  const problems = new Map<RoleEntry, string>();
  let waiting = inDependencyOrder(stored, roles);
  // A role may have to wait for another one that still is as it was.
  let taken: number;
  do {
    taken = ordered.length;
    problems.clear();
    for (const role of waiting) {
      const problem = problemOf(role, graph);
      if (problem === undefined) {
        graph.set(role);
        ordered.push(role);
      } else problems.set(role, `${role.source}: ${problem}`);
    }
    waiting = waiting.filter((role) => problems.has(role));
  } while (waiting.length > 0 && ordered.length > taken);
  return { ordered, problems: roles.flatMap((role) => problems.get(role) ?? []) };
}

/** What the command is given of an entry. */
export function importInput({ created, lastModified, source: _, ...role }: RoleEntry): ImportRoleInput {
  return { ...role, imported: { created, lastModified } };
}

function problemOf(role: RoleEntry, graph: RoleGraph<RoleRow>): string | undefined {
  try {
    runToCompletion(importRole.decide(importInput(role), graph, { now: new Date(), work: new WorkBudget() }));
    return undefined;
  } catch (error) {
    if (error instanceof ApiError) return inOneLine(error.message);
    throw error;
  }
}

/** Each after those that it depends on. Depth first, on a stack of our own: chains of roles may be long. Cycles are entered anywhere. */
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
