import { CLIENT_ID_PATTERN, MAX_DESCRIPTION_LENGTH, SCOPE_PATTERN } from '../constants.ts';

/** A JSON schema. */
export type Schema = { [keyword: string]: unknown };

export const text: Schema = { type: 'string' };
export const boolean: Schema = { type: 'boolean' };
export const date: Schema = { type: 'string', format: 'date-time' };
export const clientId: Schema = { type: 'string', pattern: CLIENT_ID_PATTERN };
export const description: Schema = { type: 'string', maxLength: MAX_DESCRIPTION_LENGTH };
export const scopes: Schema = {
  type: 'array',
  uniqueItems: true,
  items: { type: 'string', pattern: SCOPE_PATTERN },
};
export const optionalScopes: Schema = { ...scopes, default: [] };
export const continuationToken: Schema = { type: 'string' };

/** A string with one possible value. */
export function literal(value: string): Schema {
  return { type: 'string', enum: [value] };
}

/** An object with these properties and no others, all required except the optional ones. */
export function object(properties: Record<string, Schema>, optional: string[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return {
    type: 'object',
    additionalProperties: false,
    properties,
    ...(required.length > 0 && { required }),
  };
}

/** An object with exactly one of these properties. */
export function oneOf(properties: Record<string, Schema>): Schema {
  return { ...object(properties, Object.keys(properties)), minProperties: 1, maxProperties: 1 };
}

/** An array of such items. */
export function listOf(items: Schema): Schema {
  return { type: 'array', items };
}

/** An array of what another schema of the API describes. */
export function arrayOf(schema: string): Schema {
  return { type: 'array', uniqueItems: true, items: { $ref: `${schema}.json#` } };
}
