import type { Subject } from '../../domain/explainedPath.ts';
import type { GrantSource } from '../../domain/grantSearch.ts';
import type { Path } from '../../domain/paths.ts';
import type { OwnScopes } from '../../readSide/grantSources.ts';

/** The event that added an own scope of a client or role; undefined if it was not found. */
export type SourceOf = (kind: 'client' | 'role', id: string, scope: string) => GrantSource | undefined;

/** Looks up the sources of all grants on the paths of a subject, each client and role once. */
export async function sourcesOfPaths(
  subject: Subject,
  paths: readonly Path[],
  find: (wanted: OwnScopes[]) => Promise<Map<string, GrantSource>[]>,
): Promise<SourceOf> {
  const wanted = new Map<string, OwnScopes & { scopes: Set<string> }>();
  const want = (kind: 'client' | 'role', id: string, scope: string): void => {
    const key = `${kind}/${id}`;
    const known = wanted.get(key) ?? { kind, id, scopes: new Set() };
    known.scopes.add(scope);
    wanted.set(key, known);
  };
  for (const { held, steps } of paths) {
    if ('clientId' in subject) want('client', subject.clientId, held);
    for (const { roleId, grant } of steps) want('role', roleId, grant);
  }
  const found = await find([...wanted.values()]);
  const sources = new Map([...wanted.keys()].map((key, i) => [key, found[i]!]));
  return (kind, id, scope) => sources.get(`${kind}/${id}`)?.get(scope);
}
