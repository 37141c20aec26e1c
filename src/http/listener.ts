import type { RequestListener, ServerResponse } from 'node:http';
import cors from 'cors';
import express, { type Express } from 'express';
import { type Config, DEFAULT_PREFIX } from '../config/config.ts';
import { SERVICE_VERSION } from '../process/version.ts';
import { asyncapiDocument } from '../api/documents/asyncapi.ts';
import type { Endpoint } from './endpoint.ts';
import { errorBody } from './errorReply.ts';
import { exchangesDocument } from '../api/documents/exchanges.ts';
import { ApiError } from '../domain/errors.ts';
import { headerProblem } from './headerLimits.ts';
import { openapiDocument } from '../api/documents/openapi.ts';
import { referenceDocument, schemaDocuments } from '../api/documents/reference.ts';
import { EVERY_REPLY, sendAllowed, sendJson } from './send.ts';
import type { Serve } from './pipeline.ts';

/** Lets browsers of these origins read replies; `*` is everybody, as a signature and no cookie says who asks. */
function corsFor(origin: Config['allowedCorsOrigin']) {
  return cors({
    origin,
    methods: ['GET', 'PUT', 'POST', 'DELETE', 'HEAD', 'OPTIONS'],
    allowedHeaders: [
      'Accept',
      'Authorization',
      'Cache-Control',
      'Content-Encoding',
      'Content-Type',
      'Origin',
      'X-Requested-With',
      'Auth-At-Least',
      'Traceparent',
      'X-Taskcluster-Trace-Id',
    ],
    exposedHeaders: ['Auth-Position', 'Www-Authenticate', 'Retry-After', 'RateLimit-Policy', 'RateLimit'],
    maxAge: 24 * 60 * 60,
    optionsSuccessStatus: 204,
  });
}

/**
 * Answers every HTTP request: the API through its own pipeline, ahead of Express, which costs several times what bare
 * node:http does; the documents, and an error in the API's form for everything else, through Express.
 */
export function makeListener(
  serve: Serve,
  {
    endpoints,
    config,
  }: {
    endpoints: readonly Endpoint[];
    config: Pick<Config, 'allowedCorsOrigin' | 'kafka'> & { rootUrl: string };
  },
): RequestListener {
  const allowOrigin = corsFor(config.allowedCorsOrigin);
  const documents = makeDocuments(endpoints, config);
  const answer: RequestListener = (request, response) => {
    if (!serve(request, response)) documents(request, response);
  };
  return (request, response) => {
    // The package answers a browser's by itself.
    if (request.method === 'OPTIONS') response.setHeaders(new Headers(EVERY_REPLY));
    // Only browsers say where they come from, and only they look for an answer to it.
    if (request.headers.origin === undefined) answer(request, response);
    else allowOrigin(request, response, () => answer(request, response));
  };
}

function makeDocuments(
  endpoints: readonly Endpoint[],
  { rootUrl, kafka }: Pick<Config, 'kafka'> & { rootUrl: string },
): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag').enable('case sensitive routing');
  app.use((request, response, next) => {
    const problem = headerProblem(request);
    if (problem) refuse(response, problem);
    else next();
  });
  const documents: Record<string, object> = {
    ...schemaDocuments(),
    '/references/auth/v1/api.json': referenceDocument(endpoints),
    '/references/auth/v1/exchanges.json': exchangesDocument(),
    '/asyncapi.json': asyncapiDocument({
      version: SERVICE_VERSION,
      topicPrefix: kafka?.topicPrefix ?? DEFAULT_PREFIX,
    }),
    '/openapi.json': openapiDocument(endpoints, { rootUrl, version: SERVICE_VERSION }),
  };
  for (const [path, document] of Object.entries(documents))
    app
      .route(path)
      .get((_, response) => sendJson(response, document))
      .options((_, response) => sendAllowed(response, ['GET', 'HEAD']));
  app.use((request, response) => {
    const message = `there is nothing at ${request.method} ${request.path.slice(0, 200)} here`;
    refuse(response, new ApiError('ResourceNotFound', message));
  });
  return app;
}

/** Of a request that is for no method of the API. */
function refuse(response: ServerResponse, error: ApiError): void {
  const shown = { method: '', params: {}, payload: {}, time: new Date().toJSON() };
  sendJson(response, errorBody(error, shown), { status: error.status });
}
