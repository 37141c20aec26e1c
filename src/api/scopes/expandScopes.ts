import type { Endpoint } from '../../http/endpoint.ts';
import { expandMethod, type ExpandParts } from './expandMethod.ts';

/** `expandScopes`: what scopes expand to. */
export function expandScopes(parts: ExpandParts): Endpoint[] {
  const method = { ...expandMethod(parts), name: 'expandScopes', method: 'post' } as const;
  return [
    { ...method, dialects: ['current'], input: 'scopeset' },
    { ...method, dialects: ['older'], input: 'older-scopeset' },
  ];
}
