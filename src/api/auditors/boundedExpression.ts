import { ApiError } from '../../domain/errors.ts';
import type { ConcreteExpression } from '../../domain/scopeExpression.ts';

/** How large an expression may be that somebody asks about. */
const MAX_SCOPES = 100;
const MAX_DEPTH = 10;
const MAX_SCOPE_LENGTH = 2000;

/** A scope expression from a body that matches its schema. Throws InputError if it is too large. */
export function boundedExpression(expression: ConcreteExpression): ConcreteExpression {
  let scopes = 0;
  check(expression, 0);
  return expression;

  function check(part: ConcreteExpression, depth: number): void {
    if (typeof part === 'string') {
      scopes += 1;
      if (scopes > MAX_SCOPES) refuse('scopes', MAX_SCOPES);
      if (part.length > MAX_SCOPE_LENGTH) refuse('characters in a scope', MAX_SCOPE_LENGTH);
      return;
    }
    if (depth === MAX_DEPTH) refuse('levels of AllOf and AnyOf', MAX_DEPTH);
    for (const each of 'AllOf' in part ? part.AllOf : part.AnyOf) check(each, depth + 1);
  }
}

function refuse(what: string, limit: number): never {
  throw new ApiError('InputError', `the expression has too many ${what}: at most ${limit}`, { limit });
}
