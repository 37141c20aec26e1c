import { grantPatternOf, parameterFrom } from './grantPattern.ts';
import { withParameter } from './roleDefinition.ts';
import type { RolesSnapshot } from './rolesSnapshot.ts';
import { covers } from './scopes.ts';
import type { TimeSliced } from './timeSliced.ts';
import { ExpansionTooLarge, sizeOfScopes, unitsToProduce, type WorkBudget } from './workBudget.ts';

/** A shortest path: the held scope that it begins with, and the scopes, as they are stored, of the roles on it. */
export type ShortestPath = { held: string; grants: { roleId: string; grant: string }[] };

type Roles = Pick<RolesSnapshot, 'get' | 'idsMatching' | 'takesParameter'>;
type Question = { held: readonly string[]; scopes: readonly string[] };

/** A role as it is granted: with the parameter if it takes one. */
type Granted = { key: string; roleId: string; parameter?: string };
/** A scope of a role, as stored and with the parameter, and the roles that it grants, once they were needed. */
type Own = { grant: string; scope: string; targets?: readonly Granted[] };
/** A role that was reached, and the scope of the one before that grants it. The first one stands for the holder. */
type Visit = { granted?: Granted; before?: Visit; via?: Own };

/** Scopes, as limits count them, and roles granted by them, that are remembered for the next search. */
const MAX_REMEMBERED = 200_000;

/**
 * Searches for shortest paths in roles that never change. It remembers what roles grant, because many clients and roles
 * have the same ones.
 */
export class ShortestPaths {
  #ownByGrant = new Map<string, readonly Own[]>();
  #remembered = 0;

  /**
   * A shortest path to each of some scopes, which is the first one that `findPaths` finds; none to those that are not
   * covered. All roles that the held scopes reach must be loaded. Throws ExpansionTooLarge.
   */
  *find({ held, scopes }: Question, roles: Roles, work: WorkBudget): TimeSliced<Map<string, ShortestPath>> {
    if (this.#remembered > MAX_REMEMBERED) this.#forget();
    const most = this.#remembered + work.limit;
    const found = new Map<string, ShortestPath>();
    const open = new Set(scopes);
    const visited = new Set<string>();
    const holder = [...new Set(held)].map((scope) => ({ grant: scope, scope }));
    const queue: Visit[] = [{}];
    for (const visit of queue) {
      const { granted } = visit;
      const all = granted ? yield* this.#ownOf(granted, roles, work) : holder;
      for (const own of all) {
        if (work.spend()) yield;
        for (const scope of coveredBy(own.scope, open)) {
          found.set(scope, pathTo(visit, own));
          open.delete(scope);
        }
        if (open.size === 0) return found;
      }
      for (const via of all) {
        for (const target of yield* this.#targetsOf(via, roles, work)) {
          if (visited.has(target.key)) continue;
          visited.add(target.key);
          queue.push({ granted: target, before: visit, via });
        }
      }
      if (this.#remembered > most) throw new ExpansionTooLarge(work.limit);
    }
    return found;
  }

  *#ownOf({ key, roleId, parameter }: Granted, roles: Roles, work: WorkBudget): TimeSliced<readonly Own[]> {
    const known = this.#ownByGrant.get(key);
    if (known) return known;
    const all: Own[] = [];
    for (const grant of new Set(roles.get(roleId)?.scopes)) {
      const scope = parameter === undefined ? grant : withParameter(grant, parameter);
      if (work.spend(unitsToProduce(scope))) yield;
      this.#remembered += sizeOfScopes([scope]);
      all.push({ grant, scope });
    }
    this.#ownByGrant.set(key, all);
    return all;
  }

  *#targetsOf(own: Own, roles: Roles, work: WorkBudget): TimeSliced<readonly Granted[]> {
    if (own.targets) return own.targets;
    const pattern = grantPatternOf(own.scope);
    if (!pattern) return (own.targets = NONE);
    const targets: Granted[] = [];
    for (const roleId of new Set(roles.idsMatching(pattern))) {
      const parameter = roles.takesParameter(roleId) ? parameterFrom(pattern, roleId) : undefined;
      if (work.spend(unitsToProduce(parameter ?? ''))) yield;
      targets.push(
        parameter === undefined
          ? { key: roleId, roleId }
          : { key: `${roleId}\n${parameter}`, roleId, parameter },
      );
    }
    this.#remembered += targets.length;
    return (own.targets = targets);
  }

  #forget(): void {
    this.#ownByGrant.clear();
    this.#remembered = 0;
  }
}

const NONE: readonly Granted[] = [];

function coveredBy(scope: string, open: ReadonlySet<string>): string[] {
  if (scope.endsWith('*')) return [...open].filter((each) => covers(scope, each));
  return open.has(scope) ? [scope] : [];
}

function pathTo(end: Visit, last: Own): ShortestPath {
  const grants: ShortestPath['grants'] = [];
  let { grant } = last;
  for (let { granted, before, via } = end; granted; { granted, before, via } = before!) {
    grants.push({ roleId: granted.roleId, grant });
    grant = via!.grant;
  }
  return { held: grant, grants: grants.reverse() };
}
