import { MAX_ASKED_SCOPE_LENGTH } from '../../../schemas/constants.ts';
import type { ConcreteExpression } from '../../domain/scopeExpression.ts';
import { ApiError } from '../../domain/errors.ts';

/** The most scopes in an expression that a body gives, and the levels of its nesting. */
const MAX_SCOPES = 100;
const MAX_LEVELS = 10;

/** The expression in a body, which matches its schema. Throws InputError for one that is too large. */
export function givenExpression(expression: ConcreteExpression): ConcreteExpression {
  let scopes = 0;
  function check(part: ConcreteExpression, levels: number): void {
    if (typeof part === 'string') {
      scopes += 1;
      if (part.length > MAX_ASKED_SCOPE_LENGTH)
        refuse(`a scope in an expression has at most ${MAX_ASKED_SCOPE_LENGTH} characters`);
      return;
    }
    if (levels === 0) refuse(`an expression must not be nested deeper than ${MAX_LEVELS} levels`);
    for (const each of 'AllOf' in part ? part.AllOf : part.AnyOf) check(each, levels - 1);
  }
  check(expression, MAX_LEVELS);
  if (scopes > MAX_SCOPES) refuse(`an expression has at most ${MAX_SCOPES} scopes: this one has ${scopes}`);
  return expression;
}

function refuse(message: string): never {
  throw new ApiError('InputError', message);
}
