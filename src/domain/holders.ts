import { grantingScope } from './roleDefinition.ts';
import type { RoleScopes } from './roleScopes.ts';
import type { ScopeMatch } from './scopeHolders.ts';
import type { ConcreteExpression } from './scopeExpression.ts';
import { sortedTexts } from './sortedTexts.ts';
import { asTimeSliced, type MaybeTimeSliced, runToCompletion, type TimeSliced } from './timeSliced.ts';
import { type HeldWay, WayMatcher } from './wayMatcher.ts';
import { matchesCovering, matchesGranting, rolesOn, type Way, type Ways, waysTo } from './waysTo.ts';
import type { WorkBudget } from './workBudget.ts';

/**
 * How a holder satisfies one scope of an expression: by a scope that it holds, as it is stored, and the roles on a
 * shortest path from there (none if the held scope covers the scope).
 */
export type SatisfyingWay = { scope: string; held: string; via: string[] };

/** Scopes that holders may have: one text, or all that begin with it. */
export type ScopeRange = { text: string; isPrefix: boolean };

/** What is asked for: a scope expression in whose place of a scope also stand several matches, under a name. */
export type Goal =
  { name: string; matches: readonly ScopeMatch[] } | { AllOf: readonly Goal[] } | { AnyOf: readonly Goal[] };

/** The most ranges in a list, and the most lists. */
const MAX_RANGES = 100_000;
const MAX_SOURCES = 8;
/** Characters of a text that is kept, for one unit of work besides the first. */
const CHARACTERS_PER_UNIT = 100;
/** Parts with so many ways are no source beside one with very few. */
const MANY_WAYS = 1000;

/** The goal of satisfying an expression. */
export function goalOf(expression: ConcreteExpression): Goal {
  if (typeof expression === 'string') return { name: expression, matches: matchesCovering(expression) };
  return 'AllOf' in expression
    ? { AllOf: expression.AllOf.map(goalOf) }
    : { AnyOf: expression.AnyOf.map(goalOf) };
}

type Leaf = Ways & { name: string; matcher: WayMatcher };
/** What was found out about scopes, by their names in goals. */
export type Leaves = Map<string, Leaf>;
type Compiled = Leaf | { AllOf: Compiled[] } | { AnyOf: Compiled[] };
type Find = (leaf: Leaf) => MaybeTimeSliced<HeldWay | undefined>;

/** Everything that is to know about who satisfies a goal, except which clients there are. */
export class Holders {
  readonly #goal: Compiled;
  /** The number of leaves. */
  readonly #size: number;

  private constructor(goal: Compiled, size: number) {
    this.#goal = goal;
    this.#size = size;
  }

  /**
   * Finds all ways to a goal, in time slices. Several goals about the same roles may share `leaves`. Throws
   * ExpansionTooLarge.
   */
  static *of(
    goal: Goal,
    { roles, leaves = new Map() }: { roles: RoleScopes; leaves?: Leaves },
    work: WorkBudget,
  ): TimeSliced<Holders> {
    return new Holders(yield* compile(goal), leaves.size);

    function* compile(part: Goal): TimeSliced<Compiled> {
      if ('AllOf' in part) return { AllOf: yield* compileAll(part.AllOf) };
      if ('AnyOf' in part) return { AnyOf: yield* compileAll(part.AnyOf) };
      const { name, matches } = part;
      const known = leaves.get(name);
      if (known) return known;
      const found = yield* waysTo(matches, roles, work);
      const leaf = { name, ...found, matcher: yield* WayMatcher.of(found.ways, work, found.grants) };
      leaves.set(name, leaf);
      return leaf;
    }

    function* compileAll(parts: readonly Goal[]): TimeSliced<Compiled[]> {
      const all: Compiled[] = [];
      for (const part of parts) all.push(yield* compile(part));
      return all;
    }
  }

  /** How a client with these scopes of its own satisfies the goal; undefined if it does not. */
  *waysOfClient(scopes: readonly string[], work: WorkBudget): TimeSliced<SatisfyingWay[] | undefined> {
    const ways = yield* satisfyingWays(this.#goal, ({ matcher }) => matcher.find(scopes, work));
    return ways?.map(shown);
  }

  /** The ids of the roles that satisfy it, in byte order. Throws ExpansionTooLarge. */
  *roleIds(work: WorkBudget): TimeSliced<string[]> {
    const candidates = yield* sortedTexts([...(yield* roleCandidates(this.#goal, work))], work);
    const roleIds: string[] = [];
    for (const roleId of candidates) {
      if (work.spend(this.#size)) yield;
      if (yield* satisfyingWays(this.#goal, ofRole(roleId))) roleIds.push(roleId);
    }
    return roleIds;
  }

  /** How many ways there are to the part of it that has the fewest: everybody who satisfies it has a scope on one of these. */
  get fewestWays(): number {
    return waysIn(this.#goal);
  }

  /**
   * Lists of ranges, by their text, shortest first. Each satisfying holder has a scope of its own in one range of each
   * list, so that one list is enough to find them all. None if they are too long. Throws ExpansionTooLarge.
   */
  *sources(work: WorkBudget): TimeSliced<ScopeRange[][]> {
    const parts = neededParts(this.#goal).sort((one, other) => waysIn(one) - waysIn(other));
    const most = MANY_WAYS + 10 * (parts[0] ? waysIn(parts[0]) : 0);
    const sources: ScopeRange[][] = [];
    for (const part of parts.slice(0, MAX_SOURCES)) {
      const texts = waysIn(part) <= most ? yield* textsOf(part, work) : undefined;
      if (texts) sources.push(yield* rangesOf(texts, work));
    }
    return sources.sort((one, other) => one.length - other.length);
  }

  /** How one of `roleIds` satisfies the goal. Its path begins with itself. */
  waysOfRole(roleId: string): SatisfyingWay[] {
    return (runToCompletion(satisfyingWays(this.#goal, ofRole(roleId))) ?? []).map(shown);
  }
}

function ofRole(roleId: string): Find {
  return ({ roles }) => {
    const way = roles.get(roleId);
    return way && { held: grantingScope(roleId), way };
  };
}

type NamedWay = HeldWay & { name: string };

/** Of several alternatives, the first that is satisfied. */
function* satisfyingWays(goal: Compiled, find: Find): TimeSliced<NamedWay[] | undefined> {
  if ('AnyOf' in goal) {
    for (const part of goal.AnyOf) {
      const ways = yield* satisfyingWays(part, find);
      if (ways) return ways;
    }
    return undefined;
  }
  if ('AllOf' in goal) {
    const all = new Map<string, NamedWay>();
    for (const part of goal.AllOf) {
      const ways = yield* satisfyingWays(part, find);
      if (!ways) return undefined;
      for (const way of ways) all.set(way.name, way);
    }
    return [...all.values()];
  }
  const found = yield* asTimeSliced(find(goal));
  return found && [{ name: goal.name, ...found }];
}

function shown({ name, held, way }: NamedWay): SatisfyingWay {
  return { scope: name, held, via: rolesOn(way) };
}

/** Roles among which are all that satisfy a goal. */
function* roleCandidates(goal: Compiled, work: WorkBudget): TimeSliced<Set<string>> {
  if ('AllOf' in goal) {
    let fewest: Set<string> | undefined;
    for (const part of goal.AllOf) {
      const candidates = yield* roleCandidates(part, work);
      if (!fewest || candidates.size < fewest.size) fewest = candidates;
    }
    return fewest ?? new Set();
  }
  const all = new Set<string>();
  const parts = 'AnyOf' in goal ? goal.AnyOf : [goal];
  for (const part of parts) {
    const ids = 'roles' in part ? part.roles.keys() : yield* roleCandidates(part, work);
    for (const id of ids) {
      if (work.spend()) yield;
      all.add(id);
    }
  }
  return all;
}

/** Texts of held scopes: equal to one, beginning with one, or one of these with a star behind it. */
type Texts = { equal: Set<string>; starting: Set<string>; beforeStar: Set<string> };

function countOf({ equal, starting, beforeStar }: Texts): number {
  return equal.size + starting.size + beforeStar.size;
}

/** Parts all of which must be satisfied. */
function neededParts(goal: Compiled): Compiled[] {
  return 'AllOf' in goal ? goal.AllOf.flatMap(neededParts) : [goal];
}

function waysIn(goal: Compiled): number {
  if ('ways' in goal) return goal.ways.length;
  if ('AllOf' in goal) return Math.min(...goal.AllOf.map(waysIn));
  return goal.AnyOf.reduce((sum, part) => sum + waysIn(part), 0);
}

function* rangesOf(texts: Texts, work: WorkBudget): TimeSliced<ScopeRange[]> {
  const { equal, starting, beforeStar } = texts;
  for (const text of beforeStar) {
    if (work.spend(text.length)) yield;
    equal.add(`${text}*`);
  }
  const all = yield* sortedTexts([...new Set([...equal, ...starting])], work);
  const ranges: ScopeRange[] = [];
  for (const text of all) {
    if (work.spend()) yield;
    const last = ranges.at(-1);
    // What a prefix covers follows it directly.
    if (last?.isPrefix && text.startsWith(last.text)) continue;
    ranges.push({ text, isPrefix: starting.has(text) });
  }
  return ranges;
}

/** Undefined if they are too many. Of an AllOf, those of the part that has the fewest. */
function* textsOf(goal: Compiled, work: WorkBudget): TimeSliced<Texts | undefined> {
  if ('AllOf' in goal) {
    let fewest: Texts | undefined;
    for (const part of goal.AllOf) {
      const texts = yield* textsOf(part, work);
      if (texts && (!fewest || countOf(texts) < countOf(fewest))) fewest = texts;
    }
    return fewest;
  }
  const all: Texts = { equal: new Set(), starting: new Set(), beforeStar: new Set() };
  if ('AnyOf' in goal) {
    for (const part of goal.AnyOf) {
      const texts = yield* textsOf(part, work);
      if (!texts) return undefined;
      for (const kind of ['equal', 'starting', 'beforeStar'] as const) {
        for (const text of texts[kind]) {
          if (work.spend()) yield;
          all[kind].add(text);
        }
      }
      if (countOf(all) > MAX_RANGES) return undefined;
    }
    return all;
  }
  for (const way of goal.ways) {
    for (const { kind, text } of matchesOf(way)) {
      if (work.spend()) yield;
      if (kind !== 'starred-prefix') all[kind].add(text);
      // Those of a beginning that was seen before were added with it.
      else
        for (
          let length = text.length;
          length >= 0 && !all.beforeStar.has(text.slice(0, length));
          length -= 1
        ) {
          if (work.spend(1 + Math.floor(length / CHARACTERS_PER_UNIT))) yield;
          all.beforeStar.add(text.slice(0, length));
        }
    }
    if (countOf(all) > MAX_RANGES) return undefined;
  }
  return all;
}

function matchesOf(way: Way): readonly ScopeMatch[] {
  return way.kind === 'role' ? matchesGranting(way.role!) : [way];
}
