import { SCOPE_PATTERN } from '../../constants.ts';
import { object, type Schema } from '../schemaBuilders.ts';

const parts: Schema = {
  type: 'array',
  minItems: 1,
  items: { $ref: '/schemas/authledger/v1/scope-expression.json#' },
};

/** What several methods ask about. */
export const expressionSchemas: Record<string, Schema> = {
  'scope-expression': {
    title: 'A scope, or all or any of several expressions: at most 100 scopes and 10 levels',
    anyOf: [{ type: 'string', pattern: SCOPE_PATTERN }, object({ AllOf: parts }), object({ AnyOf: parts })],
  },
};
