import { circlesFrom } from './circlesFrom.ts';
import { KeptMerge } from './keptMerge.ts';
import type { RoleIndex } from './roleIndex.ts';
import { parameterFrom, reachOf, type RoleDefinition, withParameter } from './roleReach.ts';
import { MOST_FROM_ONE } from './roleSpread.ts';
import { mergeNormal, normalize } from './scopes.ts';

type Scopes = readonly string[];

/**
 * A role as a scope grants it, as a text: the role's id and, if the role takes a parameter, a line feed and the parameter.
 * What other roles expand to does not depend on how they were granted.
 */
type Grant = string;

/** What of all roles with parameters is kept, in scopes and lists; the oldest go first. */
const MOST_WITH_PARAMETER = 2_000_000;
/** What one takes by itself. */
const EACH_WITH_PARAMETER = 20;
/** Lists of one scope that are more than these are merged once for all who hold it. */
const MANY = 64;
/** Scopes that grant so many roles are few; each keeps about as much as all that it grants. */
const MOST_MERGES = 16;

/**
 * What each role expands to, as the lists whose merge it is. They are found when they are first wanted, from those of the
 * roles that the role grants, and are kept until one of these changes. Of a role without a parameter that is one list. One
 * with a parameter has the lists of what it grants and one of its own scopes: very many parameters may be asked for, and
 * what does not depend on them is in memory once. Roles may reach each other in a circle (imported ones do); then they
 * reach the same, so that all roles of a circle have the same lists.
 */
export class Expansions {
  #index: Pick<RoleIndex<RoleDefinition>, 'get' | 'granted' | 'scopeCount' | 'takesParameter'>;
  #plain = new Map<Grant, Scopes[]>();
  #withParameter = new Map<Grant, Scopes[]>();
  /** What `#withParameter` holds, in scopes and lists. */
  #held = 0;
  /** By the scope that grants many roles, what these give together. */
  #merges = new Map<string, KeptMerge>();
  /** The keys of `#withParameter`, by role. */
  #grantsOfRole = new Map<string, Set<Grant>>();

  constructor(index: RoleIndex<RoleDefinition>) {
    this.#index = index;
  }

  /** What the roles that a scope grants expand to: the same lists as before as long as nothing in them changed. */
  listsOf(scope: string): Scopes[] {
    this.#dropOldest();
    const lists = this.#grantsOf(scope).flatMap((grant) => this.#ready(grant) ?? this.#makeLists(grant));
    return this.#fewLists(scope, lists);
  }

  /** Of a scope that grants very many roles, their lists merged to one. */
  #fewLists(scope: string, lists: Scopes[]): Scopes[] {
    if (lists.length <= MANY) return lists;
    const kept = this.#merges.get(scope) ?? new KeptMerge();
    this.#merges.delete(scope);
    this.#merges.set(scope, kept);
    if (this.#merges.size > MOST_MERGES) this.#merges.delete(this.#merges.keys().next().value!);
    return [kept.of(new Set(lists))];
  }

  /** Drops what was made from a role's own scopes. */
  forget(roleId: string): void {
    this.#plain.delete(roleId);
    for (const grant of this.#grantsOfRole.get(roleId) ?? []) this.#drop(grant);
    this.#grantsOfRole.delete(roleId);
  }

  #grantsOf(scope: string): Grant[] {
    const reach = reachOf(scope);
    if (!reach) return [];
    return this.#index
      .granted(reach)
      .map((id) => (this.#index.takesParameter(id) ? `${id}\n${parameterFrom(reach, id)}` : id));
  }

  #scopesOf(grant: Grant): Scopes {
    const { roleId, parameter } = partsOf(grant);
    const { scopes } = this.#index.get(roleId)!;
    return parameter === undefined ? scopes : scopes.map((scope) => withParameter(scope, parameter));
  }

  #ready(grant: Grant): Scopes[] | undefined {
    return this.#plain.get(grant) ?? this.#withParameter.get(grant);
  }

  /** Makes the lists of a grant, and of all that it reaches and that have none yet. */
  #makeLists(wanted: Grant): Scopes[] {
    const reached = new Map<Grant, { scopes: Scopes; grants: Map<string, Grant[]> }>();
    const unmadeFrom = (grant: Grant): Grant[] => {
      // No roles do that which were checked when they were made.
      if (reached.size > MOST_FROM_ONE * (this.#index.scopeCount + 1)) {
        throw new Error(
          `role ${partsOf(wanted).roleId} grants other roles with too many parameters to expand it`,
        );
      }
      const scopes = this.#scopesOf(grant);
      const grants = new Map(scopes.map((scope) => [scope, this.#grantsOf(scope)]));
      reached.set(grant, { scopes, grants });
      return [...new Set([...grants.values()].flat())].filter((each) => !this.#ready(each));
    };
    for (const circle of circlesFrom(wanted, unmadeFrom)) {
      const roles = circle.map((grant) => reached.get(grant)!);
      const own = normalize(roles.flatMap(({ scopes }) => scopes));
      const granted = roles.flatMap(({ grants }) =>
        [...grants].flatMap(([scope, of]) =>
          // Only those of the circle itself are not ready.
          this.#fewLists(
            scope,
            of.flatMap((each) => this.#ready(each) ?? []),
          ),
        ),
      );
      const lists = [...new Set([own, ...granted])].filter(({ length }) => length > 0);
      this.#keep(circle, lists);
    }
    return this.#ready(wanted)!;
  }

  #keep(circle: readonly Grant[], lists: Scopes[]): void {
    const grants = circle.map((grant) => ({ grant, ...partsOf(grant) }));
    const isMerged = lists.length > MANY || grants.some(({ parameter }) => parameter === undefined);
    const kept = isMerged ? [mergeNormal(lists)] : lists;
    for (const { grant, roleId, parameter } of grants) {
      if (parameter === undefined) this.#plain.set(roleId, kept);
      else {
        this.#withParameter.set(grant, kept);
        this.#held += sizeOf(kept);
        this.#grantsOfRole.set(roleId, (this.#grantsOfRole.get(roleId) ?? new Set()).add(grant));
      }
    }
  }

  #dropOldest(): void {
    for (const grant of this.#withParameter.keys()) {
      if (this.#held <= MOST_WITH_PARAMETER) return;
      this.#drop(grant);
      this.#grantsOfRole.get(partsOf(grant).roleId)!.delete(grant);
    }
  }

  #drop(grant: Grant): void {
    this.#held -= sizeOf(this.#withParameter.get(grant)!);
    this.#withParameter.delete(grant);
  }
}

/** What the lists of a role with a parameter take: the first is its own, and the others are shared. */
function sizeOf(lists: Scopes[]): number {
  return EACH_WITH_PARAMETER + (lists[0]?.length ?? 0) + lists.length;
}

function partsOf(grant: Grant): { roleId: string; parameter?: string } {
  const end = grant.indexOf('\n');
  return end < 0 ? { roleId: grant } : { roleId: grant.slice(0, end), parameter: grant.slice(end + 1) };
}
