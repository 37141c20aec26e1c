import { normalizeInSlices } from '../domain/scopes.ts';
import type { TimeSliced } from '../domain/timeSliced.ts';
import { ExpansionTooLarge, type WorkBudget } from '../domain/workBudget.ts';

/**
 * Names of the entries in a reply whose scopes are too large to expand. Their `expandedScopes` are only their own
 * scopes.
 */
export type Incomplete = Set<string>;

/** Names in one header. By default, Node's clients accept at most 16 KB of headers. */
const MAX_NAMES = 50;

/**
 * The expanded scopes of an entry, in slices. If they are too large, it adds the name to `incomplete` and returns its
 * own scopes.
 */
export function* expandOrMarkIncomplete(
  { name, scopes, incomplete }: { name: string; scopes: readonly string[]; incomplete: Incomplete },
  expand: (work: WorkBudget) => TimeSliced<readonly string[]>,
  work: WorkBudget,
): TimeSliced<readonly string[]> {
  try {
    return yield* expand(work);
  } catch (error) {
    if (!(error instanceof ExpansionTooLarge)) throw error;
  }
  incomplete.add(name);
  work.refill();
  return yield* normalizeInSlices(scopes, work);
}

/** The header `Auth-Incomplete`: percent-encoded names, separated by commas. A final `*` stands for further ones. */
export function incompleteHeader(incomplete: Incomplete): string {
  const names = [...incomplete]
    .slice(0, MAX_NAMES)
    .map((name) => encodeURIComponent(name).replaceAll('*', '%2A'));
  if (incomplete.size > MAX_NAMES) names.push('*');
  return names.join(', ');
}
