import type { Position } from '../event.ts';
import type { Incomplete } from './incomplete.ts';
import type { Caller, RefusedSignature, SentRequest } from '../authentication/signedRequest.ts';
import type { ScopeExpression } from '../domain/scopeExpression.ts';

/** `older` is served at /v1, `current` at /api/auth/v1. */
export type Dialect = 'older' | 'current';
export const URL_PREFIX: Record<Dialect, string> = { older: '/v1', current: '/api/auth/v1' };

/**
 * One method of the API, declared once: its route, validation, authorization, documentation and behaviour all come
 * from here.
 */
export type Endpoint = {
  name: string;
  /** Whose method it is; a method whose shape differs is declared once for each dialect. */
  dialects: readonly Dialect[];
  /** Dialects that serve it besides, for clients of the time between the two. It is deprecated there, and not in their reference. */
  alsoServedIn?: readonly Dialect[];
  method: 'get' | 'put' | 'post' | 'delete';
  /** Path below the dialect's prefix, served with and without a slash at its end; `<name>` stands for one percent-encoded segment. */
  route: string;
  /** The last path parameter takes the rest of the path, which may hold slashes, also at its end, or be empty. */
  takesRest?: true;
  /** Names of the query parameters it knows. */
  query?: readonly string[];
  /** What its path and query parameters must match, by name; patterns that it shares with others are in parameters.ts. */
  patterns?: Readonly<Record<string, RegExp>>;
  title: string;
  description: string;
  category: string;
  stability: 'stable' | 'experimental' | 'deprecated';
  /** What the caller's scopes must satisfy; nothing when left out. */
  scopes?: ScopeExpression;
  /** What fills in the scope expression besides the path parameters, from a validated request. */
  scopeParams?(request: { params: Record<string, string>; body: unknown }): Record<string, unknown>;
  /** It only reads: whether its scopes are asked for depends on the dialect and on READ_ACCESS. */
  reads?: true;
  /**
   * `request` (the default): the request's own signature is verified before the handler runs. `none`: it is not looked
   * at, as the endpoint is for everybody or judges signatures itself.
   */
  authentication?: 'request' | 'none';
  /** Who asks for the scopes: the pipeline before the handler (the default), or the command loop on every try. */
  authorization?: 'pipeline' | 'command';
  /**
   * What it counts for beside or in the place of what all requests do, in `rateLimits.ts`: `credentials` as well, `authenticate` instead,
   * or for nothing.
   */
  quota?: 'credentials' | 'authenticate' | 'none';
  /** It takes rights away and gives none, so that it goes on while the disk is full. */
  revokes?: true;
  /** It answers without looking at anything that is stored, so it works while the stores do not. */
  stateless?: true;
  /** Names of the schemas of body and reply in schemas/v1 or of a guarded service, such as 'create-client-request'. */
  input?: string;
  output?: string;
  /** The schema of the reply in another form, where a query parameter asks for that. */
  otherOutput?: string;
  handle(request: EndpointRequest): Promise<EndpointReply> | EndpointReply;
};

/** All dialects in which an endpoint is served. */
export function servedIn({ dialects, alsoServedIn = [] }: Endpoint): Dialect[] {
  return [...dialects, ...alsoServedIn];
}

/** What fills in an endpoint's scope expression for a request. */
export function scopeParamsOf(
  { scopeParams }: Pick<Endpoint, 'scopeParams'>,
  request: Pick<EndpointRequest, 'params' | 'body'>,
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
  /** Throws InsufficientScopes unless the caller, resolved anew, satisfies the endpoint's scopes with these parameters. */
  authorize(params: Record<string, unknown>): Promise<void>;
  /** The request as it was sent, for endpoints that judge signatures themselves. */
  signed: SentRequest;
  /** What the request is called in the log and in events, and where it came from. */
  origin: { requestId: string; sourceIp?: string; traceparent?: string };
};

/** One of: a body, a list streamed in pieces of JSON text, or neither (204, an empty success). */
export type EndpointReply = {
  body?: unknown;
  /** A body that is JSON text already, of ASCII characters only. */
  ascii?: string;
  chunks?: AsyncIterable<string>;
  /**
   * One of thousands a second, which changed nothing and refused nobody: it is logged at level `debug`, and never
   * compressed.
   */
  isRoutine?: boolean;
  /** It is never compressed: its length would say something of the secret. */
  holdsSecret?: boolean;
  /** The signature of a request to another service that it refuses. */
  refused?: RefusedSignature;
  /**
   * Which of its entries are too much to expand, as the header `Auth-Incomplete` names them; those that are found while the pieces
   * are taken, a trailer of that name.
   */
  incomplete?: Incomplete;
  /** The position of the change that this reply reports. */
  position?: Position;
};
