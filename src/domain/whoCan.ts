import { ASSUME, grantingScope, PARAMETER, type RoleDefinition } from './roleDefinition.ts';
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

  add(role: RoleDefinition): void {
    this.literal.add(role.roleId, literalScopes(role));
    this.granting.add(role.roleId, [grantingScope(role.roleId)]);
    for (const scope of parameterisedScopes(role)) {
      const others = this.#byStart.get(scope.start);
      if (others) others.push(scope);
      else this.#byStart.set(scope.start, [scope]);
      this.#starts.add(scope.start);
    }
  }

  delete(role: RoleDefinition): void {
    this.literal.delete(role.roleId, literalScopes(role));
    this.granting.delete(role.roleId, [grantingScope(role.roleId)]);
    for (const start of new Set(parameterisedScopes(role).map((scope) => scope.start))) {
      const left = this.#byStart.get(start)!.filter(({ roleId }) => roleId !== role.roleId);
      if (left.length > 0) this.#byStart.set(start, left);
      else {
        this.#byStart.delete(start);
        this.#starts.delete(start);
      }
    }
  }

  /** Scopes with `<..>` that some parameter may make match. */
  *parameterised({ kind, text }: ScopeMatch): Generator<ParameterisedScope> {
    const starts = this.#starts.prefixesOf(text);
    if (kind === 'starting')
      starts.push(...this.#starts.startingWith(text).filter((start) => start !== text));
    for (const start of starts) yield* this.#byStart.get(start)!;
  }
}

/** A scope of a parameterised role: the text before and after the first `<..>`. */
type ParameterisedScope = { roleId: string; start: string; end: string };

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

/** `via` are the roles on a shortest path, from the holder's; none if the holder has the scope of its own. */
export type Way = { scope: string; via: string[] };
/**
 * Who satisfies a scope: clients and roles by id, each with the scope that leads there (of a role, the one that grants
 * it) and the roles on the way.
 */
export type Holders = { clients: Map<string, Way>; roles: Map<string, Way> };

/** Held scopes that lead to the scope asked for: through a role and a scope of its own, or by covering it (no `role`). */
type Wanted = ScopeMatch & { role?: string; next?: Wanted };

/**
 * Finds all clients and roles whose scopes cover a scope, by looking backwards from it: who holds a scope that covers
 * it, who holds a scope that grants such a role, and so on, shortest paths first. Throws ExpansionTooLarge if that takes
 * more than the budget.
 */
export function* findHolders(
  scope: string,
  { roles, clients }: { roles: RoleScopes; clients: ScopeHolders },
  work: WorkBudget,
): TimeSliced<Holders> {
  const found: Holders = { clients: new Map(), roles: new Map() };
  const seen = new Set<string>();
  const waiting: Wanted[] = [];
  const want = (wanted: Wanted): void => {
    const key = `${wanted.kind} ${wanted.text}`;
    if (seen.has(key)) return;
    seen.add(key);
    waiting.push(wanted);
  };
  want({ kind: 'equal', text: scope });
  want({ kind: 'starred-prefix', text: scope });
  const grantable = new Set<string>();
  for (const wanted of waiting) {
    if (work.spend()) yield;
    yield* note(clients, wanted, found.clients);
    yield* note(roles.granting, wanted, found.roles);
    for (const { holders } of roles.literal.matching(wanted)) {
      for (const roleId of holders) {
        if (work.spend()) yield;
        if (grantable.has(roleId)) continue;
        grantable.add(roleId);
        for (const match of granting(roleId)) want({ ...match, role: roleId, next: wanted });
      }
    }
    for (const each of roles.parameterised(wanted)) {
      const { roleId } = each;
      for (const parameter of parametersThatMatch(each, wanted)) {
        if (work.spend()) yield;
        for (const match of grantingWith(roleId, parameter)) want({ ...match, role: roleId, next: wanted });
      }
    }
  }
  return found;

  /** Paths come shortest first, so the first one that is noted stays. */
  function* note(of: ScopeHolders, wanted: Wanted, ways: Map<string, Way>): TimeSliced<void> {
    for (const { scope: held, holders } of of.matching(wanted)) {
      for (const holder of holders) {
        if (work.spend()) yield;
        if (!ways.has(holder)) ways.set(holder, wayOf(held, wanted));
      }
    }
  }
}

function wayOf(scope: string, wanted: Wanted): Way {
  const via: string[] = [];
  for (let at: Wanted | undefined = wanted; at?.role !== undefined; at = at.next) via.push(at.role);
  return { scope, via };
}

/** The held scopes that grant a role, whatever its parameter. */
function granting(roleId: string): ScopeMatch[] {
  const scope = grantingScope(roleId);
  if (!roleId.endsWith('*'))
    return [
      { kind: 'equal', text: scope },
      { kind: 'starred-prefix', text: scope },
    ];
  const start = scope.slice(0, -1);
  return [
    { kind: 'starting', text: start },
    { kind: 'starred-prefix', text: start },
  ];
}

/** Parameters of a role: one, or all that begin with a text. */
type Parameters = { kind: 'equal' | 'starting'; text: string };

/** The held scopes that grant a parameterised role with such a parameter. */
function grantingWith(roleId: string, { kind, text }: Parameters): ScopeMatch[] {
  const start = ASSUME + roleId.slice(0, -1);
  const matches: ScopeMatch[] = [{ kind, text: start + text }];
  // A star before the role's own gives the parameter `*`.
  if (kind === 'equal' ? text === '*' : text === '') matches.push({ kind: 'starred-prefix', text: start });
  return matches;
}

/** The parameters that make a scope match. A parameter that ends in a star cuts off what follows it. */
function* parametersThatMatch(
  { start, end }: ParameterisedScope,
  { kind, text }: ScopeMatch,
): Generator<Parameters> {
  if (kind === 'starting' && start.startsWith(text)) {
    yield { kind: 'starting', text: '' };
    return;
  }
  if (!text.startsWith(start)) return;
  const rest = text.slice(start.length);
  if (kind === 'equal') {
    if (rest.endsWith('*')) yield { kind: 'equal', text: rest };
    if (rest.endsWith(end)) {
      const parameter = rest.slice(0, rest.length - end.length);
      if (!parameter.endsWith('*')) yield { kind: 'equal', text: parameter };
    }
    return;
  }
  if (kind === 'starting') {
    yield { kind: 'starting', text: rest };
    for (let length = 0; length < rest.length; length += 1) {
      const parameter = rest.slice(0, length);
      if (!parameter.endsWith('*') && (parameter + end).startsWith(rest))
        yield { kind: 'equal', text: parameter };
    }
    return;
  }
  for (let length = 0; length <= rest.length; length += 1) {
    const parameter = rest.slice(0, length);
    yield { kind: 'equal', text: `${parameter}*` };
    if (end.endsWith('*') && !parameter.endsWith('*') && rest.startsWith(parameter + end.slice(0, -1)))
      yield { kind: 'equal', text: parameter };
  }
}
