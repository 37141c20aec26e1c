import { cycleThrough, endlessThrough } from './roleCycles.ts';
import { RoleIndex } from './roleIndex.ts';
import {
  parameterFrom,
  reachOf,
  reachWithin,
  type RoleDefinition,
  takesParameter,
  withParameter,
} from './roleReach.ts';
import { mergeNormal, normalize } from './scopes.ts';

type Scopes = readonly string[];

/** A role as a scope grants it. What a role without a parameter expands to does not depend on how it was granted. */
type Grant = { key: string; roleId: string; parameter?: string };

/** Expansions of roles with parameters that are kept; the oldest go first. */
const MOST_PARAMETERISED = 10_000;

/**
 * The role-expansion index: all roles, and what each expands to, ready made.
 *
 * A scope set expands to the least set that holds it and, with every scope in it that grants a role, the scopes of that
 * role. As a role is granted by one scope alone, that is the union of what each scope gives: expanding is merging lists
 * that are ready. Example: with the roles a -> [assume:b, x] and b -> [y], the list of b is [y], that of a is
 * [assume:b, x, y], and expanding [assume:a, z] merges [assume:a, z] with the list of a.
 *
 * A change forgets the lists of the role and of those that reach it, and no others; a list is made when it is wanted
 * next. Roles may reach each other in a circle (imported ones do): roles of one circle reach the same, so they share one
 * list. Circles are found with Tarjan's algorithm, on a stack of our own, as chains of roles may be long.
 */
export class RoleGraph<R extends RoleDefinition> {
  #index = new RoleIndex<R>();
  #ready = new Map<string, Scopes>();
  /** Keys of the lists of each role with a parameter, so that they can be forgotten. */
  #parameterised = new Map<string, Set<string>>();
  #version = 0;

  get size(): number {
    return this.#index.size;
  }

  /** Grows with every change. */
  get version(): number {
    return this.#version;
  }

  get(roleId: string): R | undefined {
    return this.#index.get(roleId);
  }

  /** At most `limit` ids in byte order, after the given one. */
  idsAfter(after: string | undefined, limit: number): string[] {
    return this.#index.idsAfter(after, limit);
  }

  /** Replaces all roles. */
  load(roles: Iterable<R>): void {
    this.#index = new RoleIndex();
    this.#ready.clear();
    this.#parameterised.clear();
    this.#version += 1;
    for (const role of roles) this.#index.set(role);
  }

  /** A graph of its own with the same roles. */
  clone(): RoleGraph<R> {
    const graph = new RoleGraph<R>();
    graph.load(this.#index.values());
    return graph;
  }

  set(role: R): void {
    this.#index.set(role);
    this.#forget(role.roleId);
  }

  delete(roleId: string): void {
    if (!this.#index.get(roleId)) return;
    this.#index.delete(roleId);
    this.#forget(roleId);
  }

  /** What scopes expand to, in normal form. */
  expand(scopes: Scopes): Scopes {
    if (scopes.includes('*')) return ['*'];
    const lists = new Set<Scopes>([normalize(scopes)]);
    for (const scope of scopes) for (const grant of this.#grantedBy(scope)) lists.add(this.#listOf(grant));
    return mergeNormal([...lists]);
  }

  /** What whoever has the role has: the scope that grants it, and all that it gives. */
  expandRole(roleId: string): Scopes {
    return this.expand([`assume:${roleId}`]);
  }

  /** The ids of the roles that a role's scopes may grant. */
  dependenciesOf({ roleId, scopes }: RoleDefinition): Set<string> {
    const ids = new Set<string>();
    for (const scope of scopes) {
      const reach = reachWithin(roleId, scope);
      if (reach) for (const id of this.#index.granted(reach)) ids.add(id);
    }
    return ids;
  }

  /** The ids along a dependency cycle that this role, put in place, would be on; the first stands again at the end. */
  cycleThrough(role: R): string[] | undefined {
    return cycleThrough(role, this);
  }

  /** The same, of cycles only along which a parameter would grow for ever. */
  endlessThrough(role: R): string[] | undefined {
    return endlessThrough(role, this);
  }

  /** The role and all that reach it, as far back as that goes. */
  #forget(roleId: string): void {
    this.#version += 1;
    const affected = new Set([roleId]);
    for (const id of affected) {
      this.#ready.delete(id);
      for (const key of this.#parameterised.get(id) ?? []) this.#ready.delete(key);
      this.#parameterised.delete(id);
      for (const holder of this.#index.holdersOf(id)) affected.add(holder);
    }
  }

  *#grantedBy(scope: string): Generator<Grant> {
    const reach = reachOf(scope);
    if (!reach) return;
    for (const roleId of this.#index.granted(reach)) {
      if (!takesParameter(this.#index.get(roleId)!)) yield { key: roleId, roleId };
      else {
        const parameter = parameterFrom(reach, roleId);
        yield { key: `${roleId}\n${parameter}`, roleId, parameter };
      }
    }
  }

  #scopesOf({ roleId, parameter }: Grant): Scopes {
    const { scopes } = this.#index.get(roleId)!;
    return parameter === undefined ? scopes : scopes.map((scope) => withParameter(scope, parameter));
  }

  #listOf(grant: Grant): Scopes {
    const list = this.#ready.get(grant.key) ?? this.#makeLists(grant);
    if (this.#ready.size > this.#index.size + MOST_PARAMETERISED) this.#dropOldest();
    return list;
  }

  /** Makes the list of a grant, and of all that it reaches which have none yet. */
  #makeLists(wanted: Grant): Scopes {
    const visits = new Map<string, Visit>();
    const open: Visit[] = [];
    const path: Visit[] = [];
    const enter = (grant: Grant): void => {
      const scopes = this.#scopesOf(grant);
      const grants = new Map(
        scopes.flatMap((scope) => [...this.#grantedBy(scope)].map((each) => [each.key, each])),
      );
      const order = visits.size;
      const visit = {
        grant,
        scopes,
        grants,
        waiting: [...grants.values()],
        order,
        lowest: order,
        isOpen: true,
      };
      visits.set(grant.key, visit);
      open.push(visit);
      path.push(visit);
    };
    enter(wanted);
    while (path.length > 0) {
      const visit = path.at(-1)!;
      const next = visit.waiting.pop();
      if (next) {
        const known = visits.get(next.key);
        if (known?.isOpen) visit.lowest = Math.min(visit.lowest, known.order);
        else if (!known && !this.#ready.has(next.key)) enter(next);
        continue;
      }
      path.pop();
      const parent = path.at(-1);
      if (parent) parent.lowest = Math.min(parent.lowest, visit.lowest);
      if (visit.lowest === visit.order) this.#closeCircle(open.splice(open.indexOf(visit)));
    }
    return this.#ready.get(wanted.key)!;
  }

  /** Roles that reach each other (mostly one alone) have their scopes, and the lists of all that they grant outside. */
  #closeCircle(circle: Visit[]): void {
    const lists = new Set<Scopes>([normalize(circle.flatMap(({ scopes }) => scopes))]);
    for (const { grants } of circle) {
      for (const key of grants.keys()) {
        const list = this.#ready.get(key);
        if (list) lists.add(list);
      }
    }
    const list = mergeNormal([...lists]);
    for (const visit of circle) {
      visit.isOpen = false;
      this.#keep(visit.grant, list);
    }
  }

  #keep({ key, roleId, parameter }: Grant, list: Scopes): void {
    this.#ready.set(key, list);
    if (parameter === undefined) return;
    const keys = this.#parameterised.get(roleId) ?? new Set();
    this.#parameterised.set(roleId, keys.add(key));
  }

  #dropOldest(): void {
    for (const [roleId, keys] of this.#parameterised) {
      for (const key of keys) {
        this.#ready.delete(key);
        keys.delete(key);
        if (this.#ready.size <= this.#index.size) return;
      }
      this.#parameterised.delete(roleId);
    }
  }
}

type Visit = {
  grant: Grant;
  scopes: Scopes;
  grants: Map<string, Grant>;
  waiting: Grant[];
  order: number;
  lowest: number;
  isOpen: boolean;
};
