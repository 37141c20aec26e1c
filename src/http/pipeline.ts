import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { performance } from 'node:perf_hooks';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import type { Logger } from 'pino';
import { ApiError, AuthenticationFailure, RateLimited } from '../domain/errors.ts';
import {
  missingScopes,
  requiredPart,
  renderExpression,
  type ScopeExpression,
} from '../domain/scopeExpression.ts';
import { ExpansionTooLarge, SLICE_UNITS } from '../domain/workBudget.ts';
import { DAMAGED, StoreDamaged, StoreFull, StoreUnavailable } from '../storage/storeErrors.ts';
import { type Authenticate, checkPayload, type Verdict } from '../authentication/authenticate.ts';
import { callerKey } from './callerKey.ts';
import type { BodyTracker } from './limitConnections.ts';
import { type Denial, denialKind, makeLogDenied, loggedTarget } from './deniedRequests.ts';
import {
  type Endpoint,
  type EndpointReply,
  type EndpointRequest,
  scopeParamsOf,
  URL_PREFIX,
} from './endpoint.ts';
import type { Caller, SentRequest } from '../authentication/signedRequest.ts';
import { errorBody, redactPayload } from './errorBody.ts';
import { incompleteHeader } from './incomplete.ts';
import { headerProblem } from './headerLimits.ts';
import { type Origin, requestOrigin, type TrustProxy } from './requestOrigin.ts';
import { insufficientScopes } from './insufficientScopes.ts';
import { type Match, makeMatchRoute, readParameters, readQuery } from './matchRoute.ts';
import { makeProxyWarning } from './proxyWarning.ts';
import { readBody } from './readBody.ts';
import { parseBody } from './parseBody.ts';
import type { CountRequest } from './rateLimits.ts';
import type { SignatureRules } from '../authentication/signatureRules.ts';
import type { Validator } from './validator.ts';
import { workFor } from './workFor.ts';
import { sendAllowed, sendAscii, sendJson, sendNothing, sendChunks } from './send.ts';
import type { Freshness } from '../readSide/freshness.ts';
import { countRequestForSlicing } from '../process/timeSlicing.ts';
import type { Config } from '../config/config.ts';
import type { LongWork } from '../process/longWork.ts';
import { FileGone } from '../storage/watchFiles.ts';

/** What the pipeline is made of. */
export type PipelineParts = {
  endpoints: readonly Endpoint[];
  authenticate: Authenticate;
  freshness: Pick<Freshness, 'ensureFresh' | 'assertStillFresh'>;
  longWork: LongWork;
  log: Logger;
  intake: Intake;
  access: Access;
  checks: Checks;
};

/** Limits on incoming requests: the length of their bodies, and their rate. */
type Intake = {
  maxBodyBytes: number;
  /** Bounds the memory that incomplete bodies take; without it, there is no bound. */
  bodies?: BodyTracker;
  countRequest: CountRequest;
};

/** Access control beyond the scopes of each endpoint. */
type Access = {
  readAccess: Config['readAccess'];
  trustProxy: TrustProxy;
  signatureRules: SignatureRules;
};

/** Schema validation. */
type Checks = {
  validator: Validator;
  /** Whether every reply is validated against its schema, too: on in tests. */
  checkReplies: boolean;
};

/** The authenticated caller, and its scopes at a later time: see Verdict. */
type Identity = { caller: Caller; resolve(now: Date): Promise<readonly string[]> };

/**
 * One request with its response. The steps of the pipeline fill it in; its log line and an error reply are made from
 * it.
 */
type Exchange = {
  readonly match: Match;
  readonly search: string;
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly startedAt: number;
  readonly now: Date;
  params: Record<string, string>;
  /** The body as far as an error reply may show it. */
  shownPayload(): unknown;
  /** The body is not read completely yet. */
  isReading: boolean;
  sourceIp: string | undefined;
  identity: Identity | undefined;
  /** The caller's scopes were checked once. */
  scopesWereChecked: boolean;
  /** Set when the request is denied, or when the signature that it asks about is refused. */
  denial: Denial | undefined;
  /** Set when the service fails the request (5xx). */
  failure: { code: string; reason: string } | undefined;
};

/** Serves one request of the API. Returns false, having done nothing, for a path outside the API. */
export type Pipeline = (request: IncomingMessage, response: ServerResponse) => boolean;

/**
 * The pipeline for every endpoint, directly on node:http. `respond` lists its steps in order. It never throws: every
 * failure becomes a documented error.
 */
export function makePipeline(parts: PipelineParts): Pipeline {
  const matchRoute = makeMatchRoute(parts.endpoints);
  const { log, intake, access, checks } = parts;
  const logDenied = makeLogDenied(log);
  const warnOfProxy = makeProxyWarning(log, access.trustProxy);

  return (incoming, response) => {
    const [path, search = ''] = split(incoming.url ?? '/');
    const match = matchRoute(incoming.method ?? 'GET', path);
    if (!match)
      return incoming.method === 'OPTIONS' && !headerProblem(incoming) && answerOptions(path, response);
    answer(newExchange(match, search, { incoming, response })).catch((error: unknown) => {
      log.error({ err: error, method: match.endpoint.name }, 'a request could not be answered at all');
      response.destroy();
    });
    return true;
  };

  function answerOptions(path: string, response: ServerResponse): boolean {
    const methods = METHODS.filter((method) => matchRoute(method, path));
    if (methods.length > 0) sendAllowed(response, methods);
    return methods.length > 0;
  }

  async function answer(exchange: Exchange): Promise<void> {
    const { incoming, response } = exchange;
    let status: number;
    let isRoutine = false;
    try {
      const reply = await respond(exchange);
      isRoutine = reply.isRoutine === true;
      const sending = sendReply(reply, exchange);
      if (sending) await sending;
      status = response.statusCode;
    } catch (error) {
      const isGone = incoming.destroyed && !incoming.complete;
      status = isGone ? CLIENT_GONE : sendError(error, exchange);
    }
    logRequest(exchange, status, isRoutine);
  }

  /**
   * The steps of a request, in order. Each throws the error that the caller gets. A step is awaited only if it returns
   * a promise: for the most frequent requests, a promise costs more than the step itself.
   */
  async function respond(exchange: Exchange): Promise<EndpointReply> {
    countRequestForSlicing();
    const { match, incoming, now } = exchange;
    const { endpoint } = match;

    // The URL and the header.
    const query = readUrl(exchange);

    // The body.
    const receiving = receiveBody(exchange);
    const payload = receiving instanceof Promise ? await receiving : receiving;
    exchange.isReading = false;
    const origin = requestOrigin(incoming, access.trustProxy);
    exchange.sourceIp = origin.sourceIp;
    const validating = readInput(exchange, payload);
    const body = validating instanceof Promise ? await validating : validating;

    // Authentication, on current data.
    const signed = sentRequest(incoming, origin, payload);
    access.signatureRules.checkHost(signed);
    if (endpoint.authentication === 'none') intake.countRequest(endpoint, exchange);
    if (!endpoint.stateless) await awaitFreshness(signed, exchange);
    const identity = endpoint.authentication === 'none' ? NOBODY : await identify(signed, exchange);
    exchange.identity = identity;

    // Authorization.
    const scopes = requiredScopes(match, access, query);
    const request: EndpointRequest = {
      now,
      params: exchange.params,
      query,
      body,
      caller: identity.caller,
      signed,
      origin: {
        requestId: exchange.requestId,
        sourceIp: origin.sourceIp,
        traceparent: traceparentOf(incoming),
      },
      async authorize(params) {
        if (scopes !== undefined) await requireScopes({ scopes, params }, request, exchange);
      },
    };
    const authorizing = scopes === undefined ? undefined : authorizeBeforeHandler(scopes, request, exchange);
    if (authorizing) await authorizing;

    // The handler.
    if (payload.length > LONG_BODY) await turnOfTheLoop();
    const handling = endpoint.handle(request);
    const reply = handling instanceof Promise ? await handling : handling;
    // A change that was made is never answered with an error.
    if (!endpoint.stateless && reply.position === undefined) parts.freshness.assertStillFresh();
    if (checks.checkReplies) checkReply(checks.validator, endpoint, reply);
    return reply;
  }

  /** Checks the header and reads the path parameters; returns those of the query. */
  function readUrl(exchange: Exchange): Record<string, string> {
    const problem = headerProblem(exchange.incoming);
    if (problem) throw problem;
    exchange.params = readParameters(exchange.match);
    return readQuery(exchange.match.endpoint, exchange.search);
  }

  function receiveBody(exchange: Exchange): Promise<Buffer> | Buffer {
    const received = readBody(exchange.incoming, intake.maxBodyBytes, intake.bodies);
    exchange.isReading = received instanceof Promise;
    return received;
  }

  /** The validated body; undefined for an endpoint without input. */
  function readInput(exchange: Exchange, payload: Buffer): Promise<object> | object | undefined {
    const { input } = exchange.match.endpoint;
    if (input === undefined) return undefined;
    if (payload.length > LONG_BODY) return readLongInput(exchange, input, payload);
    const body = parseInput(exchange, input, payload);
    checks.validator.checkInput(input, body);
    return body;
  }

  /**
   * Parses and validates in two slices of long work. The caller is not authenticated yet: the work counts for its
   * address.
   */
  function readLongInput(exchange: Exchange, input: string, payload: Buffer): Promise<object> {
    const caller = callerKey({ sourceIp: exchange.sourceIp });
    return parts.longWork.queue({ caller, bytes: payload.length }, function* (work) {
      const body = parseInput(exchange, input, payload);
      work.spendUnlimited(SLICE_UNITS);
      yield;
      checks.validator.checkInput(input, body);
      return body;
    });
  }

  function parseInput(exchange: Exchange, input: string, payload: Buffer): object {
    const body = parseBody(payload, exchange.incoming.headers);
    exchange.shownPayload = () => redactPayload(body, checks.validator.properties(input));
    return body;
  }

  /** Waits until this node has caught up with the log, or with the position in the header `Auth-At-Least`. */
  function awaitFreshness(signed: SentRequest, { incoming, now, sourceIp }: Exchange): Promise<void> {
    const atLeast = incoming.headers['auth-at-least'];
    if (typeof atLeast !== 'string') return parts.freshness.ensureFresh();
    // The wait counts for the caller. To know it, the signature is verified on the data that this node has so far.
    const caller = async (): Promise<string> =>
      callerKey({ signer: signerOf(await parts.authenticate(signed, now)), sourceIp });
    return parts.freshness.ensureFresh({ atLeast, caller });
  }

  async function identify(
    signed: SentRequest,
    { match: { endpoint }, now, sourceIp }: Exchange,
  ): Promise<Identity> {
    const verdict = await parts.authenticate(signed, now);
    intake.countRequest(endpoint, { signer: signerOf(verdict), sourceIp });
    if (verdict.status === 'auth-failed')
      throw new ApiError(verdict.isTooLarge ? 'InsufficientScopes' : 'AuthenticationFailed', verdict.message);
    if (verdict.status === 'no-auth') {
      return { caller: { clientId: 'anonymous', scopes: verdict.scopes }, resolve: verdict.resolve };
    }
    checkPayload(verdict, signed.payload, signed.contentType);
    const checking = access.signatureRules.checkVerified(signed, { endpoint, verdict, now });
    if (checking) await checking;
    const { clientId, issuer, scopes, expires } = verdict;
    return { caller: { clientId, issuer, scopes, expires }, resolve: verdict.resolve };
  }

  /** Checks all scopes, or, for a method that checks them in its command, those that the URL alone asks for. */
  function authorizeBeforeHandler(
    scopes: ScopeExpression,
    request: EndpointRequest,
    exchange: Exchange,
  ): Promise<void> | undefined {
    const { endpoint } = exchange.match;
    if (endpoint.authorization !== 'command') return request.authorize(scopeParamsOf(endpoint, request));
    if (!isAlwaysGuarded(exchange.match) && access.readAccess !== 'guarded') return undefined;
    // The command's errors disclose what is stored under the URL.
    const { params } = request;
    const ofUrl = requiredPart(scopes, Object.keys(params));
    return ofUrl === undefined ? undefined : requireScopes({ scopes: ofUrl, params }, request, exchange);
  }

  /**
   * Throws InsufficientScopes unless the caller's scopes, resolved anew, satisfy the expression with these parameters.
   */
  async function requireScopes(
    { scopes, params }: { scopes: ScopeExpression; params: Record<string, unknown> },
    request: EndpointRequest,
    exchange: Exchange,
  ): Promise<void> {
    // Since the first check, scopes may have been revoked through another process.
    if (exchange.scopesWereChecked && !exchange.match.endpoint.stateless) await parts.freshness.ensureFresh();
    exchange.scopesWereChecked = true;
    const expression = renderExpression(scopes, params);
    const held = await exchange.identity!.resolve(new Date()).catch(refuseTooLarge);
    const missing = await parts.longWork.run(workFor(request), (work) =>
      missingScopes(expression, held, work),
    );
    if (missing) throw insufficientScopes(request.caller, missing, expression);
  }

  function sendReply(reply: EndpointReply, exchange: Exchange): Promise<void> | undefined {
    const { response } = exchange;
    const { incomplete } = reply;
    if (reply.refused) exchange.denial = { kind: 'signature', ...reply.refused };
    const position = reply.position ?? reply.moment?.position;
    if (position !== undefined) response.setHeader('auth-position', position);
    if (reply.moment?.at !== undefined) response.setHeader('auth-position-time', reply.moment.at);
    if (incomplete && incomplete.size > 0)
      response.setHeader('auth-incomplete', incompleteHeader(incomplete));
    const mayCompress = reply.isRoutine !== true && reply.holdsSecret !== true;
    if (reply.ascii !== undefined) sendAscii(response, reply.ascii, mayCompress);
    else if (reply.body !== undefined) sendJson(response, reply.body, { mayCompress });
    else if (reply.chunks) return sendChunks(response, reply.chunks, { mayCompress, incomplete });
    else sendNothing(response);
    return undefined;
  }

  /** Sends an error reply, where that is still possible, and returns its status. */
  function sendError(thrown: unknown, exchange: Exchange): number {
    const { incoming, response, params, now, match } = exchange;
    const error = asApiError(thrown, exchange);
    const { status } = error;
    if (response.headersSent) {
      // A list that failed halfway must not look complete.
      response.destroy();
      return status;
    }
    const kind = denialKind(status);
    if (kind) {
      const { url: resource = '', headers } = incoming;
      const signed = { resource, authorization: headers.authorization };
      exchange.denial = { kind, reason: error.message, signed };
    }
    if (status >= 500) exchange.failure = { code: error.code, reason: error.message };
    if (status === 401) warnOfProxy(incoming);
    setErrorHeaders(response, error);
    response.setHeader('x-request-id', exchange.requestId);
    // The rest of a refused body is not worth reading.
    if (exchange.isReading || error.code === 'InputTooLarge') response.setHeader('connection', 'close');
    const { name: method } = match.endpoint;
    const shown = { method, params, payload: exchange.shownPayload(), time: now.toJSON() };
    sendJson(response, errorBody(error, shown), { status });
    return status;
  }

  function asApiError(thrown: unknown, { requestId, match }: Exchange): ApiError {
    const method = match.endpoint.name;
    if (thrown instanceof ApiError) return thrown;
    if (thrown instanceof AuthenticationFailure) return new ApiError('AuthenticationFailed', thrown.message);
    if (thrown instanceof StoreFull || thrown instanceof FileGone) {
      const isRead = match.endpoint.method === 'get';
      return new ApiError(
        'ServiceUnavailable',
        isRead ? thrown.message : `nothing was changed: ${thrown.message}`,
      );
    }
    if (thrown instanceof StoreDamaged) {
      log.error({ err: thrown, requestId, method }, 'a store is damaged');
      return new ApiError('ServiceUnavailable', DAMAGED);
    }
    if (thrown instanceof StoreUnavailable) {
      log.warn({ err: thrown, requestId, method }, 'a store did not answer');
      return new ApiError('ServiceUnavailable', 'a database does not answer right now: try again');
    }
    log.error({ err: thrown, requestId, method, incidentId: requestId }, 'internal error');
    return new ApiError(
      'InternalServerError',
      `internal error; its incident id in this service's log is ${requestId}`,
    );
  }

  function logRequest(exchange: Exchange, status: number, isRoutine: boolean): void {
    if (isRoutine && !log.isLevelEnabled('debug')) return;
    const { match, incoming, requestId, startedAt, identity, denial, failure, sourceIp } = exchange;
    const durationMs = Math.round((performance.now() - startedAt) * 1000) / 1000;
    const method = match.endpoint.name;
    const line = { requestId, method, clientId: identity?.caller.clientId, status, durationMs, ...failure };
    if (denial) logDenied(denial, { ...line, ...targetFields(match, incoming), sourceIp });
    else log[isRoutine ? 'debug' : 'info'](line, 'request');
  }
}

/** HTTP methods that endpoints are served for. */
const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'];

/**
 * A body of more bytes takes more than a few milliseconds: it is parsed, validated and handled in different turns of
 * the event loop.
 */
const LONG_BODY = 64 * 1024;

/** The status that is logged when a client disconnected in the middle of its request, so that nobody gets a reply. */
const CLIENT_GONE = 499;

/** The caller of an endpoint without authentication. */
const NOBODY: Identity = { caller: { clientId: 'anonymous', scopes: [] }, resolve: async () => [] };

const noPayload = (): object => ({});

function newExchange(
  match: Match,
  search: string,
  { incoming, response }: { incoming: IncomingMessage; response: ServerResponse },
): Exchange {
  return {
    match,
    search,
    incoming,
    response,
    requestId: randomUUID(),
    startedAt: performance.now(),
    now: new Date(),
    params: {},
    shownPayload: noPayload,
    isReading: false,
    sourceIp: undefined,
    identity: undefined,
    scopesWereChecked: false,
    denial: undefined,
    failure: undefined,
  };
}

/** The request as its signature covers it. */
function sentRequest(
  { method, url, headers }: IncomingMessage,
  { host, port }: Origin,
  payload: Buffer,
): SentRequest {
  return {
    method: method!,
    resource: url!,
    host,
    port,
    authorization: headers.authorization,
    payload,
    contentType: headers['content-type'] ?? '',
  };
}

/**
 * The scopes that the endpoint asks for in this dialect, and for the past where the query names a moment; undefined where
 * everybody may call it.
 */
function requiredScopes(
  match: Match,
  { readAccess = 'published' }: Access,
  { at }: Record<string, string>,
): Endpoint['scopes'] {
  const { endpoint, dialect } = match;
  const isGuarded = readAccess === 'published' ? dialect === 'current' : readAccess === 'guarded';
  const isOpen = endpoint.reads && !isGuarded && !isAlwaysGuarded(match);
  const scopes = isOpen ? undefined : endpoint.scopes;
  if (at === undefined || !endpoint.readsPast) return scopes;
  return { AllOf: [...(scopes === undefined ? [] : [scopes]), ...endpoint.readsPast] };
}

/** READ_ACCESS is for the Taskcluster Auth API: it does not open the methods of our own. */
function isAlwaysGuarded({ dialect }: Match): boolean {
  return dialect === 'authledger';
}

/**
 * Headers of an error reply that HTTP, or the draft "RateLimit header fields for HTTP", defines for it, and the past
 * position at which something was not there.
 */
function setErrorHeaders(response: ServerResponse, error: ApiError): void {
  if (error.status === 401) response.setHeader('www-authenticate', 'hawk');
  const retryAfter = error.details['retryAfter'] ?? (error.status === 503 ? 1 : undefined);
  const { position } = error.details;
  if (error.status === 404 && typeof position === 'string') response.setHeader('auth-position', position);
  if (typeof retryAfter === 'number') response.setHeader('retry-after', String(retryAfter));
  if (!(error instanceof RateLimited)) return;
  const { name, quota, seconds } = error.policy;
  response.setHeader('ratelimit-policy', `"${name}";q=${quota};w=${seconds}`);
  response.setHeader('ratelimit', `"${name}";r=0;t=${error.retryAfter}`);
}

/** What the request was for, in the log line of a denial. */
function targetFields(
  { endpoint: { method, route }, dialect }: Match,
  { url = '' }: IncomingMessage,
): object {
  return { route: `${method.toUpperCase()} ${URL_PREFIX[dialect]}${route}`, target: loggedTarget(url) };
}

/** The client whose token made a valid signature. */
function signerOf(verdict: Verdict): string | undefined {
  return verdict.status === 'auth-success' ? (verdict.issuer ?? verdict.clientId) : undefined;
}

/** A caller whose scopes are too many to expand is not known to have the required ones. */
function refuseTooLarge(error: unknown): never {
  if (error instanceof ExpansionTooLarge) throw new ApiError('InsufficientScopes', error.message);
  throw error;
}

function checkReply(
  { checkOutput }: Validator,
  { output, otherOutput }: Endpoint,
  { body, ascii }: EndpointReply,
): void {
  if (output === undefined) return;
  if (ascii !== undefined) checkOutput(output, JSON.parse(ascii));
  else if (body !== undefined) checkOutput(output, body, otherOutput);
}

/**
 * The header `traceparent`, which is passed on to the log; undefined unless it has the form that W3C Trace Context
 * defines.
 */
function traceparentOf({ headers: { traceparent } }: IncomingMessage): string | undefined {
  return typeof traceparent === 'string' &&
    /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(traceparent)
    ? traceparent
    : undefined;
}

function split(url: string): [path: string, search?: string] {
  const mark = url.indexOf('?');
  return mark < 0 ? [url] : [url.slice(0, mark), url.slice(mark + 1)];
}
