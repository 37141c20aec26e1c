import { normalizeInSlices } from '../domain/scopes.ts';
import { ExpansionTooLarge, type WorkBudget } from '../domain/workBudget.ts';
import type { TimeSliced } from '../domain/timeSliced.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import type { EndpointReply } from './endpoint.ts';
import { scopesReply } from './scopesReply.ts';
import { isLong } from './scopesText.ts';

/** A client or role as replies show it. */
export type ExpandedEntry = { scopes: readonly string[]; expandedScopes: readonly string[] };

/** Names of a reply's entries whose scopes are too much to expand: they have their own scopes as `expandedScopes`. */
export type Incomplete = Set<string>;

/** Names that the header holds: Node takes 16 KB of headers where nothing else is set. */
const MOST_NAMED = 50;

/**
 * What an entry's scopes expand to, in slices; where that is too much, its own scopes, and its name is
 * added to the incomplete.
 */
export function* expandedOr(
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

/** The reply with one entry. */
export function entryReply(
  { expandedScopes, ...rest }: ExpandedEntry,
  longWork: LongWork,
  whom: WorkFor,
): EndpointReply {
  if (!isLong(expandedScopes)) return { body: { ...rest, expandedScopes } };
  return scopesReply({ ...around(rest), scopes: expandedScopes }, longWork, whom);
}

/** What of an entry's JSON text stands before and after its expanded scopes. */
export function around(rest: object): { before: string; after: string } {
  return { before: `${JSON.stringify(rest).slice(0, -1)},"expandedScopes":`, after: '}' };
}

/** Of the header `Auth-Incomplete`: names, percent-encoded, with commas between; a star at the end stands for more of them. */
export function incompleteNames(incomplete: Incomplete): string {
  const names = [...incomplete]
    .slice(0, MOST_NAMED)
    .map((name) => encodeURIComponent(name).replaceAll('*', '%2A'));
  if (incomplete.size > MOST_NAMED) names.push('*');
  return names.join(', ');
}
