import type { Endpoint } from '../../http/endpoint.ts';
import { expandMethod, type ExpandParts } from './expandMethod.ts';

/** `expandScopesGet`: the same as expandScopes with a GET, which old clients send. */
export function expandScopesGet(parts: ExpandParts): Endpoint {
  const method = expandMethod(parts);
  return {
    ...method,
    name: 'expandScopesGet',
    method: 'get',
    dialects: ['older'],
    alsoServedIn: ['current'],
    stability: 'deprecated',
    input: 'older-scopeset',
    description: `${method.description} A GET with a body, kept for old clients: use expandScopes.`,
  };
}
