import { LOOKUP_UNITS, satisfies } from './scopes.ts';
import type { WorkBudget } from './workBudget.ts';
import type { TimeSliced } from './timeSliced.ts';

/**
 * Which scopes a request needs: one scope, all or any of several, a choice by a flag, or one scope for each entry of a
 * list. `<name>` stands for a parameter's value. The format is that of Taskcluster's API references.
 */
export type ScopeExpression =
  | string
  | { AllOf: ScopeExpression[] }
  | { AnyOf: ScopeExpression[] }
  | { if: string; then: ScopeExpression; else?: ScopeExpression }
  | { for: string; in: string; each: string };

/**
 * The part of an expression that depends only on these parameters and must be satisfied for any values of the others;
 * undefined if there is none.
 */
export function requiredPart(
  template: ScopeExpression,
  params: readonly string[],
): ScopeExpression | undefined {
  if (typeof template === 'string') {
    const needed = [...template.matchAll(PARAMETER)].map(([, name]) => name!);
    return needed.every((name) => params.includes(name)) ? template : undefined;
  }
  if (!('AllOf' in template)) return undefined;
  const [first, ...others] = template.AllOf.map((each) => requiredPart(each, params)).filter(
    (each) => each !== undefined,
  );
  return first !== undefined && others.length > 0 ? { AllOf: [first, ...others] } : first;
}

const PARAMETER = /<([a-zA-Z][a-zA-Z0-9]*)>/g;

/** An expression with its parameters substituted. */
export type ConcreteExpression = string | { AllOf: ConcreteExpression[] } | { AnyOf: ConcreteExpression[] };

/**
 * Substitutes parameters: strings for `<name>`, arrays for `for … in …`, anything for `if`. A missing parameter is a
 * programming error and throws a plain Error.
 */
export function renderExpression(
  template: ScopeExpression,
  params: Record<string, unknown>,
): ConcreteExpression {
  if (typeof template === 'string') return renderScope(template, params);
  if ('AnyOf' in template) return { AnyOf: template.AnyOf.map((each) => renderExpression(each, params)) };
  if ('AllOf' in template) return { AllOf: template.AllOf.flatMap((each) => partsOfAllOf(each, params)) };
  if ('if' in template) {
    const chosen = parameterValue(params, template.if) ? template.then : template.else;
    return chosen === undefined ? { AllOf: [] } : renderExpression(chosen, params);
  }
  return { AllOf: renderEach(template, params) };
}

/** Inside an AllOf, other ones are inlined, so that empty ones of flags leave nothing. */
function partsOfAllOf(template: ScopeExpression, params: Record<string, unknown>): ConcreteExpression[] {
  const part = renderExpression(template, params);
  return typeof part === 'object' && 'AllOf' in part ? part.AllOf : [part];
}

function renderEach(
  template: { for: string; in: string; each: string },
  params: Record<string, unknown>,
): string[] {
  const values = parameterValue(params, template.in) as readonly unknown[];
  if (values.length === 0) return [];
  // The text around each value is built once, because there may be very many values. Odd indexes are parameter names.
  const around = [''];
  for (const [i, part] of template.each.split(PARAMETER).entries()) {
    if (i % 2 === 1 && part === template.for) around.push('');
    else around.push(around.pop()! + (i % 2 === 1 ? String(parameterValue(params, part)) : part));
  }
  return values.map((value) => around.join(String(value)));
}

function renderScope(template: string, params: Record<string, unknown>): string {
  return template.replaceAll(PARAMETER, (_, name: string) => String(parameterValue(params, name)));
}

function parameterValue(params: Record<string, unknown>, name: string): unknown {
  if (!Object.hasOwn(params, name)) throw new Error(`the scope expression's parameter ${name} was not given`);
  return params[name];
}

/**
 * The scopes that a normal form lacks to satisfy an expression; undefined if it satisfies it. Of several alternatives,
 * the one with the fewest missing scopes. In time slices.
 */
export function* missingScopes(
  expression: ConcreteExpression,
  have: readonly string[],
  work: WorkBudget,
): TimeSliced<string[] | undefined> {
  if (typeof expression === 'string') return satisfies(have, expression) ? undefined : [expression];
  if ('AllOf' in expression) {
    const all: string[] = [];
    let isMissing = false;
    for (const each of expression.AllOf) {
      const missing = yield* missingScopes(each, have, work);
      if (work.spendUnlimited(LOOKUP_UNITS)) yield;
      if (!missing) continue;
      isMissing = true;
      for (const scope of missing) all.push(scope);
    }
    return isMissing ? all : undefined;
  }
  const alternatives: string[][] = [];
  for (const each of expression.AnyOf) {
    const missing = yield* missingScopes(each, have, work);
    if (!missing) return undefined;
    alternatives.push(missing);
  }
  return alternatives.toSorted((a, b) => a.length - b.length)[0] ?? [];
}
