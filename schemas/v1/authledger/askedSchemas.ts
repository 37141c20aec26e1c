import {
  CLIENT_ID_PATTERN,
  MAX_ASKED_SCOPE_LENGTH,
  MAX_ID_LENGTH,
  MOMENT_PATTERN,
  ROLE_ID_PATTERN,
  SCOPE_PATTERN,
} from '../../constants.ts';
import { listOf, type Schema } from '../schemaBuilders.ts';

/** What questions ask about, wherever a body names it. */

/** A position or a time, as the query parameter `at` of other methods. */
export const moment: Schema = { type: 'string', pattern: MOMENT_PATTERN };
export const clientId: Schema = { type: 'string', pattern: CLIENT_ID_PATTERN, maxLength: MAX_ID_LENGTH };
export const roleId: Schema = { type: 'string', pattern: ROLE_ID_PATTERN, maxLength: MAX_ID_LENGTH };
export const scope: Schema = { type: 'string', pattern: SCOPE_PATTERN, maxLength: MAX_ASKED_SCOPE_LENGTH };
export const someScopes: Schema = listOf(scope);
export const expression: Schema = { $ref: '/schemas/authledger/v1/scope-expression.json#' };
