import { SCOPE_PATTERN } from '../../constants.ts';
import { listOf, object, type Schema } from '../schemaBuilders.ts';
import { expression } from './askedSchemas.ts';

const parts: Schema = { ...listOf(expression), minItems: 1 };

/** What several methods ask about. */
export const expressionSchemas: Record<string, Schema> = {
  'scope-expression': {
    title: 'A scope, or all or any of several expressions: at most 100 scopes and 10 levels',
    anyOf: [{ type: 'string', pattern: SCOPE_PATTERN }, object({ AllOf: parts }), object({ AnyOf: parts })],
  },
};
