import type { RoleGraph } from '../src/domain/roleGraph.ts';
import type { RoleDefinition } from '../src/domain/roleDefinition.ts';
import { WorkBudget } from '../src/domain/workBudget.ts';
import { runToCompletion } from '../src/domain/timeSliced.ts';

/** A role graph's checks of a change, run to completion. */
export function roleChecks<R extends RoleDefinition>(graph: RoleGraph<R>) {
  return {
    cycleThrough: (role: RoleDefinition) => runToCompletion(graph.cycleThrough(role, new WorkBudget())),
    unboundedCycleThrough: (role: RoleDefinition) =>
      runToCompletion(graph.unboundedCycleThrough(role, new WorkBudget())),
    limitViolation: (role: RoleDefinition) => runToCompletion(graph.limitViolation(role, new WorkBudget())),
    get scopeTotal(): number {
      return runToCompletion(graph.scopeTotal(new WorkBudget()));
    },
  };
}
