import { ApiError } from '../domain/errors.ts';
import { fenced } from '../domain/markdown.ts';
import type { ConcreteExpression } from '../domain/scopeExpression.ts';
import type { Caller } from '../authentication/signedRequest.ts';

/** Scopes that a refusal names. */
const MAX_NAMED = 100;

/** The refusal of a caller who lacks scopes: it names them, and what the request needs, where that is not very long. */
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
