import { InvalidArgumentError } from 'commander';
import type { ConcreteExpression } from '../domain/scopeExpression.ts';

/** Reads a scope, or a scope expression in JSON, from an argument. */
export function expressionArgument(text: string): ConcreteExpression {
  if (!text.startsWith('{')) return text;
  try {
    return JSON.parse(text) as ConcreteExpression;
  } catch {
    throw new InvalidArgumentError('It must be a scope, or {"AllOf": […]} or {"AnyOf": […]} in JSON.');
  }
}

/** An expression as text. */
export function expressionText(expression: ConcreteExpression): string {
  return typeof expression === 'string' ? expression : JSON.stringify(expression);
}
