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
import { StoreDamaged, StoreFull, StoreUnavailable } from '../storage/storeErrors.ts';
import { type Authenticate, checkPayload, type Verdict } from '../authentication/authenticate.ts';
import { callerKey } from './callerKey.ts';
import type { Bodies } from './connections.ts';
import { type Denial, denialOf, makeLogDenied, targetOf } from './deniedRequests.ts';
import {
  type Dialect,
  type Endpoint,
  type EndpointReply,
  type EndpointRequest,
  scopeParamsOf,
  URL_PREFIX,
} from './endpoint.ts';
import type { Caller, SentRequest, SignedRequest } from '../authentication/signedRequest.ts';
import { errorBody, shownPayload } from './errorReply.ts';
import { incompleteNames } from './expandedEntry.ts';
import { headerProblem } from './headerLimits.ts';
import { originOf, type TrustProxy } from './forwarded.ts';
import { insufficientScopes } from './insufficientScopes.ts';
import { type Match, makeMatchRoute, readParameters, readQuery } from './matchRoute.ts';
import { makeProxyWarning } from './proxyWarning.ts';
import { parseBody, readBody } from './readBody.ts';
import type { CountRequest } from './rateLimits.ts';
import type { SignatureRules } from '../authentication/signatureRules.ts';
import type { Validator } from './validate.ts';
import { workFor } from './workFor.ts';
import { sendAllowed, sendAscii, sendJson, sendNothing, sendPieces } from './send.ts';
import type { Freshness } from '../readSide/freshness.ts';
import { countRequestForSlicing } from '../process/timeSlicing.ts';
import type { Config } from '../config/config.ts';
import type { LongWork } from '../process/longWork.ts';
import { FileGone } from '../storage/watchFiles.ts';

/** What the pipeline needs besides the declarations. */
export type PipelineParts = {
  endpoints: readonly Endpoint[];
  authenticate: Authenticate;
  freshness: Pick<Freshness, 'fresh' | 'stillFresh'>;
  longWork: LongWork;
  log: Logger;
  intake: Intake;
  access: Access;
  checks: Checks;
};

/** What is taken in of requests, and how many. */
type Intake = {
  maxBodyBytes: number;
  /** What bounds the bodies that are not whole; where it is left out, nothing does. */
  bodies?: Bodies;
  countRequest: CountRequest;
};

/** Who is taken for whom, and what may be read by whom. */
type Access = {
  readAccess: Config['readAccess'];
  trustProxy: TrustProxy;
  signatureRules: SignatureRules;
};

/** How bodies are checked. */
type Checks = {
  validator: Validator;
  /** Checks that every reply matches its schema: on in tests. */
  checkReplies: boolean;
};

/** What is known of a request so far, for its log line and for an error. */
type Seen = {
  requestId: string;
  started: number;
  now: Date;
  name: string;
  params: Record<string, string>;
  /** The payload as far as an error may show it. */
  shownPayload(): unknown;
  /** Its body is being read. */
  isReading?: boolean;
  clientId?: string;
  sourceIp?: string;
  /** It was denied, or the signature that it asks about was refused. */
  denial?: Denial;
};

/** Serves one request of the API. Answers false, having done nothing, for a path that is not the API's. */
export type Pipeline = (request: IncomingMessage, response: ServerResponse) => boolean;

/**
 * The pipeline that every endpoint goes through, on bare node:http: path and query patterns, body, freshness,
 * authentication, authorization, handler, reply. It never throws: whatever fails becomes a documented error.
 */
export function makePipeline(parts: PipelineParts): Pipeline {
  const matchRoute = makeMatchRoute(parts.endpoints);
  const { log, intake, access, checks } = parts;
  const logDenied = makeLogDenied(log);
  const warnOfProxy = makeProxyWarning(log, access.trustProxy);

  return (request, response) => {
    const [path, search = ''] = split(request.url ?? '/');
    const match = matchRoute(request.method ?? 'GET', path);
    if (!match)
      return request.method === 'OPTIONS' && !headerProblem(request) && answerOptions(path, response);
    answer(match, search, { request, response }).catch((error: unknown) => {
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

  async function answer(match: Match, search: string, http: Http): Promise<void> {
    countRequestForSlicing();
    const { response } = http;
    const seen: Seen = {
      requestId: randomUUID(),
      started: performance.now(),
      now: new Date(),
      name: match.endpoint.name,
      params: {},
      shownPayload: () => ({}),
    };
    let status = 200;
    let isRoutine = false;
    try {
      const reply = await respond({ match, search, http, seen });
      isRoutine = reply.isRoutine === true;
      if (reply.refused) seen.denial = { kind: 'signature', ...reply.refused };
      if (reply.position !== undefined) response.setHeader('auth-position', reply.position);
      const { incomplete } = reply;
      if (incomplete && incomplete.size > 0)
        response.setHeader('auth-incomplete', incompleteNames(incomplete));
      const mayCompress = !isRoutine && reply.holdsSecret !== true;
      if (reply.ascii !== undefined) sendAscii(response, reply.ascii, mayCompress);
      else if (reply.body !== undefined) sendJson(response, reply.body, { mayCompress });
      else if (reply.pieces) await sendPieces(response, reply.pieces, { mayCompress, incomplete });
      else {
        status = 204;
        sendNothing(response);
      }
    } catch (error) {
      const isGone = http.request.destroyed && !http.request.complete;
      status = isGone ? CLIENT_GONE : refuse(response, error, seen);
    }
    if (isRoutine && !log.isLevelEnabled('debug')) return;
    const { requestId, name: method, clientId, started, denial } = seen;
    const durationMs = Math.round((performance.now() - started) * 1000) / 1000;
    const line = { requestId, method, clientId, status, durationMs };
    if (denial) logDenied(denial, { ...line, ...placeOf(match, http.request), sourceIp: seen.sourceIp });
    else log[isRoutine ? 'debug' : 'info'](line, 'request');
  }

  async function respond({ match, search, http, seen }: Progress): Promise<EndpointReply> {
    const { endpoint, dialect } = match;
    const problem = headerProblem(http.request);
    if (problem) throw problem;
    seen.params = readParameters(match);
    const query = readQuery(endpoint, search);
    const atLeast = http.request.headers['auth-at-least'];
    const read = readBody(http.request, intake.maxBodyBytes, intake.bodies);
    seen.isReading = read instanceof Promise;
    const payload = read instanceof Promise ? await read : read;
    seen.isReading = false;
    const { sourceIp, host, port } = originOf(http.request, access.trustProxy);
    seen.sourceIp = sourceIp;
    const isLong = payload.length > LONG_BODY;
    const reading = { endpoint, http, seen };
    const body =
      endpoint.input === undefined
        ? undefined
        : isLong
          ? await readLongInput(reading, payload)
          : readInput(reading, payload);
    const { headers } = http.request;
    const signed: SentRequest = {
      method: http.request.method!,
      resource: http.request.url!,
      host,
      port,
      authorization: headers.authorization,
      payload,
      contentType: headers['content-type'] ?? '',
    };
    access.signatureRules.checkHost(signed);
    if (endpoint.authentication === 'none') intake.countRequest(endpoint, seen);
    if (!endpoint.stateless)
      await (typeof atLeast === 'string'
        ? parts.freshness.fresh({ atLeast, caller: () => waiterOf(signed, seen) })
        : parts.freshness.fresh());
    const { caller, resolve } =
      endpoint.authentication === 'none' ? nobody : await identify(signed, endpoint, seen);
    seen.clientId = caller.clientId;
    const scopes = neededScopes(endpoint, dialect);
    let hasLooked = false;
    async function refuseUnlessHeld(needed: ScopeExpression, params: Record<string, unknown>): Promise<void> {
      // What was taken away meanwhile may have been so through another process.
      if (hasLooked && !endpoint.stateless) await parts.freshness.fresh();
      hasLooked = true;
      const expression = renderExpression(needed, params);
      const have = await resolve(new Date()).catch(refuseTooLarge);
      const missing = await parts.longWork.run(workFor(request), (work) =>
        missingScopes(expression, have, work),
      );
      if (missing) throw insufficientScopes(caller, missing, expression);
    }
    const request: EndpointRequest = {
      now: seen.now,
      params: seen.params,
      query,
      body,
      caller,
      signed,
      origin: { requestId: seen.requestId, sourceIp, traceparent: traceparentOf(http.request) },
      async authorize(params) {
        if (scopes !== undefined) await refuseUnlessHeld(scopes, params);
      },
    };
    if (scopes !== undefined) {
      if (endpoint.authorization !== 'command') await request.authorize(scopeParamsOf(endpoint, request));
      else if (access.readAccess === 'guarded') {
        // Without the scope for what the URL names, nobody learns what is stored of it.
        const ofUrl = requiredPart(scopes, Object.keys(seen.params));
        if (ofUrl !== undefined) await refuseUnlessHeld(ofUrl, seen.params);
      }
    }
    if (isLong) await turnOfTheLoop();
    const handled = endpoint.handle(request);
    const reply = handled instanceof Promise ? await handled : handled;
    // What was changed is never answered with an error.
    if (!endpoint.stateless && reply.position === undefined) parts.freshness.stillFresh();
    if (checks.checkReplies) checkReply(checks.validator, endpoint, reply);
    return reply;
  }

  function readInput(reading: Reading, payload: Buffer): object {
    const body = parseInput(reading, payload);
    checks.validator.checkInput(reading.endpoint.input!, body);
    return body;
  }

  /** Nobody is known by then but the address. */
  function readLongInput(reading: Reading, payload: Buffer): Promise<object> {
    const whom = { caller: callerKey({ sourceIp: reading.seen.sourceIp }), bytes: payload.length };
    return parts.longWork.queue(whom, function* (work) {
      const body = parseInput(reading, payload);
      work.spendUnlimited(SLICE_UNITS);
      yield;
      checks.validator.checkInput(reading.endpoint.input!, body);
      return body;
    });
  }

  function parseInput({ endpoint, http, seen }: Reading, payload: Buffer): object {
    const body = parseBody(payload, http.request.headers);
    seen.shownPayload = () => shownPayload(body, checks.validator.properties(endpoint.input!));
    return body;
  }

  async function identify(
    signed: SentRequest,
    endpoint: Endpoint,
    seen: Seen,
  ): Promise<{ caller: Caller; resolve(now: Date): Promise<readonly string[]> }> {
    const verdict = await parts.authenticate(signed, seen.now);
    intake.countRequest(endpoint, { signer: signerOf(verdict), sourceIp: seen.sourceIp });
    if (verdict.status === 'auth-failed')
      throw new ApiError(verdict.isTooLarge ? 'InsufficientScopes' : 'AuthenticationFailed', verdict.message);
    if (verdict.status === 'no-auth') {
      return { caller: { clientId: 'anonymous', scopes: verdict.scopes }, resolve: verdict.resolve };
    }
    checkPayload(verdict, signed.payload, signed.contentType);
    const checking = access.signatureRules.checkVerified(signed, { endpoint, verdict, now: seen.now });
    if (checking) await checking;
    const { clientId, issuer, scopes, expires } = verdict;
    return { caller: { clientId, issuer, scopes, expires }, resolve: verdict.resolve };
  }

  /** Who waits for a position, as far as it is known before: the client whose token signed, else where the request came from. */
  async function waiterOf(signed: SignedRequest, { now, sourceIp }: Seen): Promise<string> {
    return callerKey({ signer: signerOf(await parts.authenticate(signed, now)), sourceIp });
  }

  function neededScopes(endpoint: Endpoint, dialect: Dialect): Endpoint['scopes'] {
    const { readAccess = 'published' } = access;
    const isGuarded = readAccess === 'published' ? dialect === 'current' : readAccess === 'guarded';
    return endpoint.reads && !isGuarded ? undefined : endpoint.scopes;
  }

  function refuse(response: ServerResponse, thrown: unknown, seen: Seen): number {
    const error = asApiError(thrown, seen);
    const { status } = error;
    if (response.headersSent) {
      // A list that failed halfway must not look complete.
      response.destroy();
      return status;
    }
    const kind = denialOf(status);
    if (kind) {
      const { url: resource = '', headers } = response.req;
      const signed = { resource, authorization: headers.authorization };
      seen.denial = { kind, reason: error.message, signed };
    }
    if (status === 401) {
      warnOfProxy(response.req);
      response.setHeader('www-authenticate', 'hawk');
    }
    const wait = status === 503 ? 1 : error.details['retryAfter'];
    if (typeof wait === 'number') response.setHeader('retry-after', String(wait));
    if (error instanceof RateLimited) {
      const { name, quota, seconds } = error.policy;
      response.setHeader('ratelimit-policy', `"${name}";q=${quota};w=${seconds}`);
      response.setHeader('ratelimit', `"${name}";r=0;t=${error.retryAfter}`);
    }
    // What of a refused body is not read yet is not worth reading.
    if (seen.isReading || error.code === 'InputTooLarge') response.setHeader('connection', 'close');
    const { name: method, params, now } = seen;
    const shown = { method, params, payload: seen.shownPayload(), time: now.toJSON() };
    sendJson(response, errorBody(error, shown), { status });
    return status;
  }

  function asApiError(thrown: unknown, { requestId, name }: Seen): ApiError {
    if (thrown instanceof ApiError) return thrown;
    if (thrown instanceof AuthenticationFailure) return new ApiError('AuthenticationFailed', thrown.message);
    if (thrown instanceof StoreFull)
      return new ApiError('ServiceUnavailable', `nothing was changed: ${thrown.message}`);
    if (thrown instanceof FileGone) return new ApiError('ServiceUnavailable', thrown.message);
    if (thrown instanceof StoreDamaged) {
      log.error({ err: thrown, requestId, method: name }, 'a store is damaged');
      return new ApiError(
        'ServiceUnavailable',
        'a database is damaged: whoever runs this service has to act',
      );
    }
    if (thrown instanceof StoreUnavailable) {
      log.warn({ err: thrown, requestId, method: name }, 'a store did not answer');
      return new ApiError('ServiceUnavailable', 'a database does not answer right now: try again');
    }
    log.error({ err: thrown, requestId, method: name, incidentId: requestId }, 'internal error');
    return new ApiError(
      'InternalServerError',
      `internal error; its incident id in this service's log is ${requestId}`,
    );
  }
}

/** What endpoints may be asked with. */
const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'];

/** Bytes of a body that takes more than a few milliseconds to be read: it is parsed, validated and handled in different turns. */
const LONG_BODY = 64 * 1024;

/** Logged where a caller left in the middle of its request: nobody is there to be told anything. */
const CLIENT_GONE = 499;

type Http = { request: IncomingMessage; response: ServerResponse };
type Reading = { endpoint: Endpoint; http: Http; seen: Seen };
type Progress = { match: Match; search: string; http: Http; seen: Seen };

/** What a request asked for. */
function placeOf({ endpoint: { method, route }, dialect }: Match, { url = '' }: IncomingMessage): object {
  return { route: `${method.toUpperCase()} ${URL_PREFIX[dialect]}${route}`, target: targetOf(url) };
}

/** The client whose token made a signature, if a good one was made. */
function signerOf(verdict: Verdict): string | undefined {
  return verdict.status === 'auth-success' ? (verdict.issuer ?? verdict.clientId) : undefined;
}

const nobody = { caller: { clientId: 'anonymous', scopes: [] }, resolve: async () => [] };

/** Who has more than can be expanded is not known to have what is needed. */
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

/** A trace to be carried on into the log, where it is of the form that W3C Trace Context gives it. */
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
