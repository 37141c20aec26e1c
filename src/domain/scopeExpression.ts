import { LOOKING, satisfies } from './scopes.ts';
import type { Sliced, Work } from './work.ts';

/**
 * Which scopes a request needs: one scope, all or any of several, one or the other by a flag, or one for each entry of a
 * list. `<name>` stands for a parameter's value. The form is that of Taskcluster's API references.
 */
export type ScopeExpression =
  | string
  | { AllOf: ScopeExpression[] }
  | { AnyOf: ScopeExpression[] }
  | { if: string; then: ScopeExpression; else?: ScopeExpression }
  | { for: string; in: string; each: string };

/**
 * The part of an expression that needs these parameters alone and has to be satisfied whatever the others are; undefined where
 * there is none.
 */
export function partFrom(template: ScopeExpression, params: readonly string[]): ScopeExpression | undefined {
  if (typeof template === 'string') {
    const needed = [...template.matchAll(PARAMETER)].map(([, name]) => name!);
    return needed.every((name) => params.includes(name)) ? template : undefined;
  }
  if (!('AllOf' in template)) return undefined;
  const [first, ...others] = template.AllOf.map((each) => partFrom(each, params)).filter(
    (each) => each !== undefined,
  );
  return first !== undefined && others.length > 0 ? { AllOf: [first, ...others] } : first;
}

const PARAMETER = /<([a-zA-Z][a-zA-Z0-9]*)>/g;

/** An expression whose parameters are filled in. */
export type ConcreteExpression = string | { AllOf: ConcreteExpression[] } | { AnyOf: ConcreteExpression[] };

/**
 * Fills in parameters: texts for `<name>`, lists for `for … in …`, anything for `if`. A parameter that is missing is our
 * own mistake, and throws a plain Error.
 */
export function renderExpression(
  template: ScopeExpression,
  params: Record<string, unknown>,
): ConcreteExpression {
  if (typeof template === 'string') return renderScope(template, params);
  if ('AnyOf' in template) return { AnyOf: template.AnyOf.map((each) => renderExpression(each, params)) };
  if ('AllOf' in template) return { AllOf: template.AllOf.flatMap((each) => partsOfAllOf(each, params)) };
  if ('if' in template) {
    const chosen = given(params, template.if) ? template.then : template.else;
    return chosen === undefined ? { AllOf: [] } : renderExpression(chosen, params);
  }
  return { AllOf: renderEach(template, params) };
}

/** A list of scopes inside an AllOf is as good as the scopes themselves. */
function partsOfAllOf(template: ScopeExpression, params: Record<string, unknown>): ConcreteExpression[] {
  if (typeof template === 'object' && 'each' in template) return renderEach(template, params);
  return [renderExpression(template, params)];
}

function renderEach(
  template: { for: string; in: string; each: string },
  params: Record<string, unknown>,
): string[] {
  const values = given(params, template.in) as readonly unknown[];
  if (values.length === 0) return [];
  // What surrounds each value is made once, as there may be very many. Names stand at the odd places.
  const around = [''];
  for (const [i, part] of template.each.split(PARAMETER).entries()) {
    if (i % 2 === 1 && part === template.for) around.push('');
    else around.push(around.pop()! + (i % 2 === 1 ? String(given(params, part)) : part));
  }
  return values.map((value) => around.join(String(value)));
}

function renderScope(template: string, params: Record<string, unknown>): string {
  return template.replaceAll(PARAMETER, (_, name: string) => String(given(params, name)));
}

function given(params: Record<string, unknown>, name: string): unknown {
  if (!Object.hasOwn(params, name)) throw new Error(`the scope expression's parameter ${name} was not given`);
  return params[name];
}

/**
 * What of an expression a normal scope set does not have, in slices: undefined when it has enough; of several ways the shortest.
 */
export function* missingScopes(
  expression: ConcreteExpression,
  have: readonly string[],
  work: Work,
): Sliced<string[] | undefined> {
  if (typeof expression === 'string') return satisfies(have, expression) ? undefined : [expression];
  if ('AllOf' in expression) {
    const all: string[] = [];
    let isMissing = false;
    for (const each of expression.AllOf) {
      const missing = yield* missingScopes(each, have, work);
      if (work.pass(LOOKING)) yield;
      if (!missing) continue;
      isMissing = true;
      for (const scope of missing) all.push(scope);
    }
    return isMissing ? all : undefined;
  }
  const ways: string[][] = [];
  for (const each of expression.AnyOf) {
    const missing = yield* missingScopes(each, have, work);
    if (!missing) return undefined;
    ways.push(missing);
  }
  return ways.toSorted((a, b) => a.length - b.length)[0] ?? [];
}
