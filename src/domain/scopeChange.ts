import { missingInSlices } from './scopes.ts';
import type { TimeSliced } from './timeSliced.ts';
import type { WorkBudget } from './workBudget.ts';

type Scopes = readonly string[];

/** The scopes that were gained and lost. One that a wider scope covers before or after is no change. */
export type ScopeChange = { gained: string[]; lost: string[] };

/** What changed from one scope set to another, both in normal form, in time slices. */
export function* scopeChange(before: Scopes, after: Scopes, work: WorkBudget): TimeSliced<ScopeChange> {
  if (before === after) return { gained: [], lost: [] };
  return {
    gained: yield* missingInSlices(before, after, work),
    lost: yield* missingInSlices(after, before, work),
  };
}
