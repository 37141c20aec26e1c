/**
 * Everything that can be reached from a start, in groups: those that reach each other are one group (mostly one alone),
 * and a group comes after all others that it reaches. Example: from a, with a -> b, b -> c, c -> b and c -> d, these are
 * [d], [b, c], [a].
 *
 * This is Tarjan's algorithm. It goes deeper as long as there is something new, and numbers what it enters. `lowest` is
 * the earliest number known to be reachable among those whose group is still open; what cannot reach further back than to
 * itself when it is left is the first of a group, and all that was entered since and is still open belongs to it. The way
 * taken is a list, not the call stack, as chains may be long.
 */
export function* circlesFrom(
  start: string,
  reachedFrom: (node: string) => Iterable<string>,
): Generator<string[]> {
  const visits = new Map<string, Visit>();
  const way: Visit[] = [];
  const open: Visit[] = [];
  const enter = (node: string): void => {
    const order = visits.size;
    const visit = { node, next: reachedFrom(node)[Symbol.iterator](), order, lowest: order, isOpen: true };
    visits.set(node, visit);
    way.push(visit);
    open.push(visit);
  };
  enter(start);
  for (let visit = way.at(-1); visit; visit = way.at(-1)) {
    const step = visit.next.next();
    if (!step.done) {
      const known = visits.get(step.value);
      if (!known) enter(step.value);
      else if (known.isOpen) visit.lowest = Math.min(visit.lowest, known.order);
      continue;
    }
    way.pop();
    const before = way.at(-1);
    if (before) before.lowest = Math.min(before.lowest, visit.lowest);
    if (visit.lowest < visit.order) continue;
    const circle = open.splice(open.lastIndexOf(visit));
    for (const each of circle) each.isOpen = false;
    yield circle.map(({ node }) => node);
  }
}

type Visit = { node: string; next: Iterator<string>; order: number; lowest: number; isOpen: boolean };
