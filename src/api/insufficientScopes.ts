import { ApiError } from '../domain/errors.ts';
import type { ConcreteExpression } from '../domain/scopeExpression.ts';
import type { Caller } from './endpoint.ts';

/** The refusal of a caller who lacks scopes: it names them, and what the request needs. */
export function insufficientScopes(
  { clientId }: Caller,
  missing: string[],
  expression: ConcreteExpression,
): ApiError {
  const message = [
    `client ${clientId} does not have sufficient scopes; it is missing:`,
    ...missing.map((scope) => `  ${scope}`),
    'The request needs:',
    JSON.stringify(expression, undefined, 2),
  ].join('\n');
  return new ApiError('InsufficientScopes', message, { clientId, missing, required: expression });
}
