import { normalizing } from '../domain/scopes.ts';
import { ExpansionTooLarge, type Sliced, type Work } from '../domain/work.ts';

/** Names of a reply's entries whose scopes are too much to expand: they have their own scopes as `expandedScopes`. */
export type Incomplete = Set<string>;

/** Names that the header holds: Node takes 16 KB of headers where nothing else is set. */
const MAX_NAMES = 50;

/**
 * What an entry's scopes expand to, in slices; where that is too much, its own scopes, and its name is
 * added to the incomplete.
 */
export function* expandOrMarkIncomplete(
  { name, scopes, incomplete }: { name: string; scopes: readonly string[]; incomplete: Incomplete },
  expand: (work: Work) => Sliced<readonly string[]>,
  work: Work,
): Sliced<readonly string[]> {
  try {
    return yield* expand(work);
  } catch (error) {
    if (!(error instanceof ExpansionTooLarge)) throw error;
  }
  incomplete.add(name);
  work.renew();
  return yield* normalizing(scopes, work);
}

/** Of the header `Auth-Incomplete`: names, percent-encoded, with commas between; a star at the end stands for more of them. */
export function incompleteHeader(incomplete: Incomplete): string {
  const names = [...incomplete]
    .slice(0, MAX_NAMES)
    .map((name) => encodeURIComponent(name).replaceAll('*', '%2A'));
  if (incomplete.size > MAX_NAMES) names.push('*');
  return names.join(', ');
}
