import { type GrantPattern, grantPatternOf, parameterFrom, patternKey } from './grantPattern.ts';
import { withParameter } from './roleDefinition.ts';
import type { RolesSnapshot } from './rolesSnapshot.ts';
import { covers } from './scopes.ts';
import type { TimeSliced } from './timeSliced.ts';
import { ExpansionTooLarge, sizeOfScopes, unitsToProduce, type WorkBudget } from './workBudget.ts';

/** One step of a path: the scope before it grants a role, one of whose scopes the path goes on with. */
export type Step = {
  roleId: string;
  /** How the scope before grants the role: by its id, by the star of the role's id, or by the scope's own star. */
  match: 'exact' | 'role-star' | 'held-star';
  /** The text that takes the place of `<..>` in the role's scopes; left out unless the role is parameterised. */
  parameter?: string;
  /** The role's scope, as it is stored. */
  grant: string;
  /** The same scope with the parameter substituted. */
  scope: string;
  /** Roles that come before on this path and that this role grants again: cycles, which are cut. */
  returnsTo?: string[];
};

/** A path from a scope that is held to the last step's scope (or the held one), which covers the scope asked for. */
export type Path = { held: string; steps: Step[] };

/** `paths` are the shortest ones. All of them were counted if `complete`; otherwise there may be more. */
export type Paths = { paths: Path[]; pathCount: number; complete: boolean };

/** A role as it is granted, with the ways on from there. */
type Node = {
  roleId: string;
  parameter: string | undefined;
  edges: Edge[];
  /** Its scopes that cover the scope asked for. */
  goals: Held[];
  /** What grants it, and how. */
  grantedBy: { grants: Grants; target: Target }[];
  /** The fewest steps from here to a goal. */
  distance: number;
  /** The first of these; undefined at a goal, or if none can be reached. */
  next?: { via: Edge; target: Target };
};
/** A scope of a role: as stored, and with the parameter. */
type Held = { grant: string; scope: string };
/** What a scope grants, which is the same wherever it is. */
type Edge = Held & { grants: Grants };
type Grants = { targets: Target[]; holders: { node: Node; edge: Edge }[] };
type Target = { to: Node; match: Step['match'] };

/** The start of a path, linked from its end. */
type Partial = {
  node: Node;
  via: Edge | undefined;
  match: Step['match'] | undefined;
  before: Partial | undefined;
  length: number;
};

/** How many paths are counted, and how many starts of paths are in memory at a time. */
const MAX_COUNTED = 10_000;
const MAX_STARTS = 100_000;
/** Units of work in which paths are looked for, once there is one. */
export const COUNTING_UNITS = 400_000;
/** Steps of a path that are compared in the time of one unit of work. */
const STEPS_PER_UNIT = 16;

/**
 * Finds the ways in which held scopes cover a scope through roles: the `limit` shortest paths, each without a cycle,
 * and how many there are (up to 10,000, and as far as `counting` allows, which goes down). The order is the same each time.
 * Throws ExpansionTooLarge if the roles that are reachable are more than the budget allows.
 */
export function* findPaths(
  question: Question,
  roles: Roles,
  { limit, work, counting = { left: COUNTING_UNITS } }: Bounds,
): TimeSliced<Paths> {
  const root = yield* reachableFrom(question, roles, work);
  yield* measureDistances(root, work);
  return yield* shortestFirst(root.start, { limit, work, counting });
}

/** How many paths are returned, and what work may be done to find and count them. */
type Bounds = { limit: number; work: WorkBudget; counting?: { left: number } };

/** Whether the held scopes cover the scope. */
type Question = { held: readonly string[]; scope: string };
type Roles = Pick<RolesSnapshot, 'get' | 'idsMatching' | 'takesParameter'>;

type Reachable = { start: Node; nodes: Node[] };

/** The graph of everything that the held scopes grant. The start stands for the holder, whose scopes are its own. */
function* reachableFrom(
  { held, scope: target }: Question,
  roles: Roles,
  work: WorkBudget,
): TimeSliced<Reachable> {
  const nodesByGrant = new Map<string, Node>();
  const grantsByPattern = new Map<string, Grants>();
  let size = 0;
  const start = newNode('', undefined);
  const nodes = [start];
  for (const node of nodes) {
    const { roleId, parameter } = node;
    const own = node === start ? held : (roles.get(roleId)?.scopes ?? []);
    for (const grant of new Set(own)) {
      const scope = parameter === undefined ? grant : withParameter(grant, parameter);
      if (count(scope)) yield;
      if (covers(scope, target)) node.goals.push({ grant, scope });
      const pattern = grantPatternOf(scope);
      if (!pattern) continue;
      const grants = yield* grantsOf(pattern);
      const edge = { grant, scope, grants };
      grants.holders.push({ node, edge });
      node.edges.push(edge);
    }
  }
  return { start, nodes };

  /** Counts what takes memory, long texts as several. */
  function count(text: string): boolean {
    size += sizeOfScopes([text]);
    if (size > work.limit) throw new ExpansionTooLarge(work.limit);
    return work.spend(unitsToProduce(text));
  }

  function* grantsOf(pattern: GrantPattern): TimeSliced<Grants> {
    const key = patternKey(pattern);
    const known = grantsByPattern.get(key);
    if (known) return known;
    const grants: Grants = { targets: [], holders: [] };
    grantsByPattern.set(key, grants);
    for (const id of new Set(roles.idsMatching(pattern))) {
      const parameter = roles.takesParameter(id) ? parameterFrom(pattern, id) : undefined;
      if (count(parameter ?? '')) yield;
      const target = { to: nodeOf(id, parameter), match: matchOf(pattern, id) };
      target.to.grantedBy.push({ grants, target });
      grants.targets.push(target);
    }
    return grants;
  }

  function nodeOf(roleId: string, parameter: string | undefined): Node {
    const key = parameter === undefined ? roleId : `${roleId}\n${parameter}`;
    let node = nodesByGrant.get(key);
    if (!node) {
      node = newNode(roleId, parameter);
      nodesByGrant.set(key, node);
      nodes.push(node);
    }
    return node;
  }
}

function newNode(roleId: string, parameter: string | undefined): Node {
  return { roleId, parameter, edges: [], goals: [], grantedBy: [], distance: Infinity };
}

function matchOf(pattern: GrantPattern, roleId: string): Step['match'] {
  if ('prefix' in pattern) return 'held-star';
  return pattern.exact === roleId ? 'exact' : 'role-star';
}

/** Breadth first, backwards from all goals. */
function* measureDistances({ nodes }: Reachable, work: WorkBudget): TimeSliced<void> {
  let frontier = nodes.filter(({ goals }) => goals.length > 0);
  for (const node of frontier) node.distance = 0;
  const seen = new Set<Grants>();
  for (let distance = 1; frontier.length > 0; distance += 1) {
    const next: Node[] = [];
    for (const { grantedBy } of frontier) {
      for (const { grants, target } of grantedBy) {
        if (work.spend()) yield;
        if (seen.has(grants)) continue;
        seen.add(grants);
        for (const { node, edge } of grants.holders) {
          if (work.spend()) yield;
          if (node.distance <= distance) continue;
          node.distance = distance;
          node.next = { via: edge, target };
          next.push(node);
        }
      }
    }
    frontier = next;
  }
}

/**
 * Paths by length. A start of a path waits under the length of the shortest path that it may become, which is exact but
 * for cycles. Of those with the same length, the last one goes on first, so that few wait. If even so the search ends
 * before it came to a goal, there is still the path along the distances.
 */
function* shortestFirst(start: Node, { limit, work, counting }: Required<Bounds>): TimeSliced<Paths> {
  if (start.distance === Infinity) return { paths: [], pathCount: 0, complete: true };
  const spend = (steps: number): boolean => {
    const units = 1 + Math.floor(steps / STEPS_PER_UNIT);
    counting.left -= units;
    return work.spendUnlimited(units);
  };
  const waiting: Partial[][] = [];
  let count = 0;
  const add = (partial: Partial, length: number): void => {
    (waiting[length] ??= []).push(partial);
    count += 1;
  };
  const paths: Path[] = [];
  let pathCount = 0;
  let isCut = false;
  add(startOf(start), start.distance);
  for (let length = 0; length < waiting.length && !isCut; length += 1) {
    // What goes on from a goal is longer, so it comes after all paths of this length.
    const longer: Partial[] = [];
    const ofLength = (waiting[length] ??= []);
    for (let partial = ofLength.pop(); partial && !isCut; partial = ofLength.pop()) {
      if (spend(0)) yield;
      count -= 1;
      for (const goal of partial.node.goals) {
        isCut ||= pathCount >= MAX_COUNTED;
        if (isCut) break;
        pathCount += 1;
        if (paths.length < limit) paths.push(yield* pathOf(partial, goal, work));
      }
      if (partial.node.goals.length > 0) longer.push(partial);
      else yield* goOnFrom(partial);
    }
    delete waiting[length];
    for (const partial of longer.reverse()) yield* goOnFrom(partial);
  }
  if (pathCount > 0) return { paths, pathCount, complete: !isCut };
  return { paths: [yield* shortestPath(start, work)], pathCount: 1, complete: false };

  /** Adds the next steps, the first one last. */
  function* goOnFrom(partial: Partial): TimeSliced<void> {
    const next = partial.length + 1;
    for (const via of partial.node.edges.toReversed()) {
      for (const { to, match } of via.grants.targets.toReversed()) {
        isCut ||= pathCount >= MAX_COUNTED || count > MAX_STARTS || counting.left < 0;
        if (isCut) return;
        if (spend(partial.length)) yield;
        if (to.distance === Infinity || isOn(partial, to)) continue;
        add({ node: to, via, match, before: partial, length: next }, next + to.distance);
      }
    }
  }
}

function startOf(node: Node): Partial {
  return { node, via: undefined, match: undefined, before: undefined, length: 0 };
}

function* shortestPath(start: Node, work: WorkBudget): TimeSliced<Path> {
  let end = startOf(start);
  while (end.node.next) {
    if (work.spendUnlimited()) yield;
    const { via, target } = end.node.next;
    end = { node: target.to, via, match: target.match, before: end, length: end.length + 1 };
  }
  return yield* pathOf(end, end.node.goals[0]!, work);
}

function isOn(partial: Partial | undefined, node: Node): boolean {
  for (let at = partial; at; at = at.before) if (at.node === node) return true;
  return false;
}

function* pathOf(end: Partial, last: Held, work: WorkBudget): TimeSliced<Path> {
  /** Where each role with its parameter is on the path. */
  const places = new Map<Node, number>();
  for (let at: Partial | undefined = end; at; at = at.before) places.set(at.node, at.length);
  const steps: Step[] = [];
  let held = last;
  for (let at = end; at.via; at = at.before!) {
    const { node, via } = at;
    const { roleId, parameter } = node;
    const returnsTo = new Set<string>();
    for (const { grants } of node.edges) {
      if (work.spendUnlimited(1 + Math.floor(grants.targets.length / STEPS_PER_UNIT))) yield;
      for (const { to } of grants.targets)
        if ((places.get(to) ?? Infinity) <= at.length) returnsTo.add(to.roleId);
    }
    steps.push({
      roleId,
      match: at.match!,
      ...(parameter !== undefined && { parameter }),
      ...held,
      ...(returnsTo.size > 0 && { returnsTo: [...returnsTo] }),
    });
    held = { grant: via.grant, scope: via.scope };
  }
  return { held: held.scope, steps: steps.reverse() };
}
