import type { Position } from '../event.ts';
import type { Moment } from '../readSide/moments.ts';
import type { Incomplete } from './incomplete.ts';
import type { Caller, RefusedSignature, SentRequest } from '../authentication/signedRequest.ts';
import type { ScopeExpression } from '../domain/scopeExpression.ts';

/**
 * `older` and `current` are the dialects of the Taskcluster Auth API. `authledger` is a service of our own beside it,
 * whose methods always ask for their scopes.
 */
export type Dialect = 'older' | 'current' | 'authledger';
/** Where each dialect is served. */
export const URL_PREFIX: Record<Dialect, string> = {
  older: '/v1',
  current: '/api/auth/v1',
  authledger: '/api/authledger/v1',
};

/**
 * One method of the API: the single declaration of its route, validation, authorization, documentation and behaviour.
 */
export type Endpoint = {
  name: string;
  /** The dialects that have it. A method whose shape differs between dialects is declared once for each. */
  dialects: readonly Dialect[];
  /**
   * Other dialects that serve it, for clients from the time between the two. It is deprecated there, and missing in
   * their reference.
   */
  alsoServedIn?: readonly Dialect[];
  method: 'get' | 'put' | 'post' | 'delete';
  /**
   * Path below the dialect's prefix, served with and without a trailing slash; `<name>` is one percent-encoded segment.
   */
  route: string;
  /** The last path parameter takes the rest of the path, which may contain slashes or be empty. */
  takesRest?: true;
  /** Names of its query parameters. */
  query?: readonly string[];
  /**
   * It can answer as of a past moment: it also takes the query parameter `at`, a position or a time, in each of its
   * dialects. The reference of the Taskcluster Auth API does not say so, because the published one does not. For the
   * past, the caller needs these scopes besides, whatever READ_ACCESS says.
   */
  readsPast?: readonly string[];
  /** What its path and query parameters must match, by name. Shared patterns are in parameters.ts. */
  patterns?: Readonly<Record<string, RegExp>>;
  title: string;
  description: string;
  category: string;
  stability: 'stable' | 'experimental' | 'deprecated';
  /** What the caller's scopes must satisfy; by default, nothing. Required in the dialect `authledger`. */
  scopes?: ScopeExpression;
  /** Parameters of the scope expression besides the path parameters, from a validated request. */
  scopeParams?(request: Pick<EndpointRequest, 'params' | 'query' | 'body'>): Record<string, unknown>;
  /**
   * It only reads. Whether its scopes are required depends on the dialect and on READ_ACCESS; in the dialect
   * `authledger` they always are.
   */
  reads?: true;
  /**
   * `request` (the default): the signature of the request is verified before the handler runs. `none`: it is ignored,
   * because the endpoint is public or verifies signatures itself.
   */
  authentication?: 'request' | 'none';
  /**
   * Where the scopes are checked: in the pipeline before the handler (the default), or in the command loop on every
   * try.
   */
  authorization?: 'pipeline' | 'command';
  /**
   * The quota that a request counts toward, besides or instead of the default one (see rateLimits.ts): `credentials`
   * besides it, `authenticate` instead of it, `none` for no quota at all.
   */
  quota?: 'credentials' | 'authenticate' | 'none';
  /** It only revokes rights, so it may use the disk reserve when the disk is full. */
  revokes?: true;
  /** It reads no stored data, so it works while the stores are down. */
  stateless?: true;
  /**
   * Names of the schemas of its body and reply, from schemas/v1 or a guarded service, such as 'create-client-request'.
   * In the dialect `authledger`, from schemas/v1/authledger.
   */
  input?: string;
  output?: string;
  /** The schema of an alternative reply, which a query parameter asks for. */
  otherOutput?: string;
  handle(request: EndpointRequest): Promise<EndpointReply> | EndpointReply;
};

/** The scopes to read expanded scopes of the past, which depend on the histories of both clients and roles. */
export const PAST_EXPANSION = ['auth:audit-history:client', 'auth:audit-history:role'] as const;

/** All dialects that serve an endpoint. */
export function servedIn({ dialects, alsoServedIn = [] }: Endpoint): Dialect[] {
  return [...dialects, ...alsoServedIn];
}

/** The names of all query parameters of an endpoint. */
export function queryOf({ query = [], readsPast }: Pick<Endpoint, 'query' | 'readsPast'>): readonly string[] {
  return readsPast ? [...query, 'at'] : query;
}

/** All parameters of an endpoint's scope expression for a request. */
export function scopeParamsOf(
  { scopeParams }: Pick<Endpoint, 'scopeParams'>,
  request: Pick<EndpointRequest, 'params' | 'query' | 'body'>,
): Record<string, unknown> {
  return { ...request.params, ...scopeParams?.(request) };
}

/** A validated request. */
export type EndpointRequest = {
  now: Date;
  params: Record<string, string>;
  query: Record<string, string>;
  /** The validated body with defaults filled in; undefined for an endpoint without input. */
  body: unknown;
  caller: Caller;
  /**
   * Throws InsufficientScopes unless the caller's scopes, resolved anew, satisfy the endpoint's expression with these
   * parameters.
   */
  authorize(params: Record<string, unknown>): Promise<void>;
  /** The request as it was sent, for endpoints that verify signatures themselves. */
  signed: SentRequest;
  /** Identifies the request in the log and in events, with its source. */
  origin: { requestId: string; sourceIp?: string; traceparent?: string };
};

/** One of: a body, a list streamed in chunks of JSON text, or neither (204, an empty success). */
export type EndpointReply = {
  body?: unknown;
  /** A body that is serialized already, to ASCII characters only. */
  ascii?: string;
  chunks?: AsyncIterable<string>;
  /**
   * One of thousands a second, which changed nothing and refused nobody. It is logged at level `debug`, and never
   * compressed.
   */
  isRoutine?: boolean;
  /** It is never compressed, because the compressed length would leak information about the secret. */
  holdsSecret?: boolean;
  /** The refused signature of a request to another service. */
  refused?: RefusedSignature;
  /**
   * Entries that are too large to expand, which the header `Auth-Incomplete` names. Those that are found while the
   * chunks are sent are named in a trailer.
   */
  incomplete?: Incomplete;
  /** The position in the log of the change that was made. */
  position?: Position;
  /** The moment of the past that it is true of, which headers name. */
  moment?: Moment;
};
