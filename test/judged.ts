import type { RoleGraph } from '../src/domain/roleGraph.ts';
import type { RoleDefinition } from '../src/domain/roleDefinition.ts';
import { WorkBudget } from '../src/domain/workBudget.ts';
import { runToCompletion } from '../src/domain/timeSliced.ts';

/** What a role graph says of a change, at once. */
export function judged<R extends RoleDefinition>(graph: RoleGraph<R>) {
  return {
    cycleThrough: (role: RoleDefinition) => runToCompletion(graph.cycleThrough(role, new WorkBudget())),
    endlessThrough: (role: RoleDefinition) =>
      runToCompletion(graph.unboundedCycleThrough(role, new WorkBudget())),
    excessOf: (role: RoleDefinition) => runToCompletion(graph.limitViolation(role, new WorkBudget())),
    get scopeTotal(): number {
      return runToCompletion(graph.scopeTotal(new WorkBudget()));
    },
  };
}
