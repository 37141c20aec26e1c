import { SCOPE_PATTERN } from '../../schemas/constants.ts';
import { invalid } from '../config/configError.ts';
import type { ConcreteExpression } from '../domain/scopeExpression.ts';

/** Reads a scope, or a scope expression in JSON, from an argument. Throws ConfigError. */
export function expressionArgument(text: string): ConcreteExpression {
  if (!text.startsWith('{')) return scopeArgument('SCOPE', text);
  const expression = parsed(text);
  return isExpression(expression)
    ? expression
    : invalid(
        'SCOPE must be a scope, or an expression in JSON: {"AllOf": [...]} or {"AnyOf": [...]}, in which are scopes and such ' +
          'expressions',
      );
}

/** Reads a scope from an argument or an option of this name. Throws ConfigError. */
export function scopeArgument(name: string, text: string): string {
  return isScope(text) ? text : invalid(`${name} must be one or more printable ASCII characters`);
}

/** An expression as text. */
export function expressionText(expression: ConcreteExpression): string {
  return typeof expression === 'string' ? expression : JSON.stringify(expression);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const SCOPE = new RegExp(SCOPE_PATTERN);

function isScope(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && SCOPE.test(value);
}

/** The service refuses expressions of fewer levels than these. */
const MAX_LEVELS = 100;

function isExpression(value: unknown, levels = MAX_LEVELS): value is ConcreteExpression {
  if (typeof value !== 'object' || value === null) return isScope(value);
  const [[name, parts] = [], ...others] = Object.entries(value);
  return (
    levels > 0 &&
    others.length === 0 &&
    (name === 'AllOf' || name === 'AnyOf') &&
    Array.isArray(parts) &&
    parts.every((part) => isExpression(part, levels - 1))
  );
}
