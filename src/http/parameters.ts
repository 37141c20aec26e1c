import { CLIENT_ID_PATTERN, MOMENT_PATTERN, ROLE_ID_PATTERN } from '../../schemas/constants.ts';
import type { Endpoint } from './endpoint.ts';

/** What each path parameter must match after percent-decoding, unless the endpoint has a pattern of its own. */
const PATH_PATTERNS: Record<string, RegExp> = {
  clientId: new RegExp(CLIENT_ID_PATTERN),
  roleId: new RegExp(ROLE_ID_PATTERN),
  entityType: /^(client|role|secret|hook|worker-pool)$/,
  entityId: new RegExp(ROLE_ID_PATTERN),
};

/** What each query parameter must match. Continuation tokens and moments are checked further when they are decoded. */
const QUERY_PATTERNS: Record<string, RegExp> = {
  prefix: new RegExp(CLIENT_ID_PATTERN),
  limit: /^[0-9]+$/,
  continuationToken: /^[A-Za-z0-9_.-]+$/,
  at: new RegExp(MOMENT_PATTERN),
};

type Patterns = Pick<Endpoint, 'name' | 'patterns'>;

/** What a path parameter of an endpoint must match. Throws a plain Error if no pattern is declared. */
export function pathPattern(endpoint: Patterns, name: string): RegExp {
  return findPattern(endpoint, PATH_PATTERNS, name);
}

/** What a query parameter of an endpoint must match. Throws a plain Error if no pattern is declared. */
export function queryPattern(endpoint: Patterns, name: string): RegExp {
  return findPattern(endpoint, QUERY_PATTERNS, name);
}

function findPattern(endpoint: Patterns, shared: Record<string, RegExp>, name: string): RegExp {
  const pattern = endpoint.patterns?.[name] ?? shared[name];
  if (!pattern) throw new Error(`${endpoint.name} declares no pattern for its parameter ${name}`);
  return pattern;
}
