import { ApiError } from '../domain/errors.ts';
import { fenced } from '../domain/markdown.ts';
import type { ConcreteExpression } from '../domain/scopeExpression.ts';
import type { Caller } from '../authentication/signedRequest.ts';

/** Missing scopes that the error names. */
const MAX_NAMED = 100;

/** The error for a caller that lacks scopes. It names them, and the required expression unless that is very long. */
export function insufficientScopes(
  { clientId }: Pick<Caller, 'clientId'>,
  missing: readonly string[],
  expression: ConcreteExpression,
): ApiError {
  const named = missing.slice(0, MAX_NAMED);
  const isLong = missing.length > MAX_NAMED;
  const message = [
    `client ${clientId} does not have sufficient scopes; it is missing:`,
    fenced(named.join('\n')),
    ...(isLong
      ? [`and ${missing.length - MAX_NAMED} others`]
      : ['The request needs:', fenced(JSON.stringify(expression, undefined, 2))]),
  ].join('\n\n');
  return new ApiError('InsufficientScopes', message, {
    clientId,
    missing: named,
    ...(!isLong && { required: expression }),
  });
}
