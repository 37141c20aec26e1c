import { ASSUME, grantingScope, PARAMETER, type RoleDefinition } from './roleDefinition.ts';
import { RoleGrants } from './roleGrants.ts';
import { ScopeHolders, type ScopeMatch } from './scopeHolders.ts';
import { SortedStringSet } from './sortedStringSet.ts';
import type { TimeSliced } from './timeSliced.ts';
import type { WorkBudget } from './workBudget.ts';

/** The own scopes of all roles, indexed for the question of who holds a scope. */
export class RoleScopes {
  /** Scopes that a role gives as they are. */
  readonly literal = new ScopeHolders();
  /** The scope that grants each role: what its expansion begins with. */
  readonly granting = new ScopeHolders();
  /** The scopes of parameterised roles that contain `<..>`, by the text before it. */
  #byStart = new Map<string, ParameterisedScope[]>();
  #starts = new SortedStringSet();
  #changes = 0;
  #grants: RoleGrants | undefined;

  add(role: RoleDefinition): void {
    this.addAll([role]);
  }

  /** Adds many roles at once, which is faster than one by one. */
  addAll(roles: readonly RoleDefinition[]): void {
    this.#noteChange();
    this.literal.addAll(roles.map((role) => ({ holder: role.roleId, scopes: literalScopes(role) })));
    this.granting.addAll(roles.map(({ roleId }) => ({ holder: roleId, scopes: [grantingScope(roleId)] })));
    const starts: string[] = [];
    for (const scope of roles.flatMap(parameterisedScopes)) {
      const others = this.#byStart.get(scope.start);
      if (others) others.push(scope);
      else {
        this.#byStart.set(scope.start, [scope]);
        starts.push(scope.start);
      }
    }
    this.#starts.addAll(starts);
  }

  delete(role: RoleDefinition): void {
    this.#noteChange();
    this.literal.delete(role.roleId, literalScopes(role));
    this.granting.delete(role.roleId, [grantingScope(role.roleId)]);
    const unused: string[] = [];
    for (const start of new Set(parameterisedScopes(role).map((scope) => scope.start))) {
      const left = this.#byStart.get(start)!.filter(({ roleId }) => roleId !== role.roleId);
      if (left.length > 0) this.#byStart.set(start, left);
      else {
        this.#byStart.delete(start);
        unused.push(start);
      }
    }
    this.#starts.deleteAll(unused);
  }

  /** Which roles grant which, in time slices: found again after changes only. */
  *grants(work: WorkBudget): TimeSliced<RoleGrants> {
    if (this.#grants) return this.#grants;
    const changes = this.#changes;
    const grants = yield* RoleGrants.of(this, this.#startsOfGrants(), work);
    // If roles changed meanwhile, what was found may be of neither state.
    if (this.#changes === changes) this.#grants = grants;
    return grants;
  }

  #noteChange(): void {
    this.#changes += 1;
    this.#grants = undefined;
  }

  /** The texts before `<..>` that some parameter may make the beginning of a granting scope. */
  #startsOfGrants(): string[] {
    return [...new Set([...this.#starts.prefixesOf(ASSUME), ...this.#starts.startingWith(ASSUME)])];
  }

  /** Scopes with `<..>` that some parameter may make match. Roles may change meanwhile. */
  *parameterised({ kind, text }: ScopeMatch): Generator<ParameterisedScope> {
    const starts = this.#starts.prefixesOf(text);
    if (kind === 'starting')
      starts.push(...this.#starts.startingWith(text).filter((start) => start !== text));
    for (const start of starts) yield* this.#byStart.get(start) ?? [];
  }
}

/** A scope of a parameterised role: the text before and after the first `<..>`. */
export type ParameterisedScope = { roleId: string; start: string; end: string };

function isParameterised({ roleId }: RoleDefinition, scope: string): boolean {
  return roleId.endsWith('*') && scope.includes(PARAMETER);
}

function literalScopes(role: RoleDefinition): string[] {
  return role.scopes.filter((scope) => !isParameterised(role, scope));
}

function parameterisedScopes(role: RoleDefinition): ParameterisedScope[] {
  return role.scopes
    .filter((scope) => isParameterised(role, scope))
    .map((scope) => {
      const at = scope.indexOf(PARAMETER);
      return { roleId: role.roleId, start: scope.slice(0, at), end: scope.slice(at + PARAMETER.length) };
    });
}
