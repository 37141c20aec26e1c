import { satisfies } from './scopes.ts';

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
  return values.map((value) => renderScope(template.each, { ...params, [template.for]: value }));
}

function renderScope(template: string, params: Record<string, unknown>): string {
  return template.replaceAll(PARAMETER, (_, name: string) => String(given(params, name)));
}

function given(params: Record<string, unknown>, name: string): unknown {
  if (!Object.hasOwn(params, name)) throw new Error(`the scope expression's parameter ${name} was not given`);
  return params[name];
}

/** What of an expression a normal scope set does not have: undefined when it has enough; of several ways the shortest. */
export function missingScopes(expression: ConcreteExpression, have: readonly string[]): string[] | undefined {
  if (typeof expression === 'string') return satisfies(have, expression) ? undefined : [expression];
  if ('AllOf' in expression) {
    const missing = expression.AllOf.map((each) => missingScopes(each, have)).filter(
      (each) => each !== undefined,
    );
    return missing.length > 0 ? missing.flat() : undefined;
  }
  const ways = expression.AnyOf.map((each) => missingScopes(each, have));
  if (ways.includes(undefined)) return undefined;
  return (ways as string[][]).toSorted((a, b) => a.length - b.length)[0] ?? [];
}
