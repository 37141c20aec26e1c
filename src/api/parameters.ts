import { CLIENT_ID_PATTERN, ROLE_ID_PATTERN } from '../../schemas/constants.ts';

/** What each path parameter must match, after percent-decoding. */
export const PATH_PATTERNS: Record<string, RegExp> = {
  clientId: new RegExp(CLIENT_ID_PATTERN),
  roleId: new RegExp(ROLE_ID_PATTERN),
  entityType: /^(client|role|secret|hook|worker-pool)$/,
  entityId: new RegExp(ROLE_ID_PATTERN),
};

/** What each query parameter must match. Continuation tokens are ours, and checked where they are read. */
export const QUERY_PATTERNS: Record<string, RegExp> = {
  prefix: new RegExp(CLIENT_ID_PATTERN),
  limit: /^[0-9]+$/,
  continuationToken: /^[A-Za-z0-9_.-]+$/,
};
