import type { RoleGraph } from '../src/domain/roleGraph.ts';
import type { RoleDefinition } from '../src/domain/roleReach.ts';
import { atOnce, Work } from '../src/domain/work.ts';

/** What a role graph says of a change, at once. */
export function judged<R extends RoleDefinition>(graph: RoleGraph<R>) {
  return {
    cycleThrough: (role: RoleDefinition) => atOnce(graph.cycleThrough(role, new Work())),
    endlessThrough: (role: RoleDefinition) => atOnce(graph.unboundedCycleThrough(role, new Work())),
    excessOf: (role: RoleDefinition) => atOnce(graph.excessOf(role, new Work())),
    get scopeTotal(): number {
      return atOnce(graph.scopeTotal(new Work()));
    },
  };
}
