import type { RequestListener, ServerResponse } from 'node:http';
import cors from 'cors';
import express, { type Express } from 'express';
import type { Config } from '../config/config.ts';
import { errorBody } from './errorReply.ts';
import { ApiError } from '../domain/errors.ts';
import { headerProblem } from './headerLimits.ts';
import { EVERY_REPLY, sendAllowed, sendJson } from './send.ts';
import type { Pipeline } from './pipeline.ts';

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

/** What is answered as JSON at paths outside the API, by path. */
export type Documents = Readonly<Record<string, object>>;

/**
 * Answers every HTTP request: the API through its own pipeline, ahead of Express, which costs several times what bare
 * node:http does; the documents, and an error in the API's form for everything else, through Express.
 */
export function makeListener(
  serve: Pipeline,
  { allowedCorsOrigin, documents }: Pick<Config, 'allowedCorsOrigin'> & { documents: Documents },
): RequestListener {
  const allowOrigin = corsFor(allowedCorsOrigin);
  const serveDocuments = makeDocuments(documents);
  const answer: RequestListener = (request, response) => {
    if (!serve(request, response)) serveDocuments(request, response);
  };
  return (request, response) => {
    // The package answers a browser's by itself.
    if (request.method === 'OPTIONS') response.setHeaders(new Headers(EVERY_REPLY));
    // Only browsers say where they come from, and only they look for an answer to it.
    if (request.headers.origin === undefined) answer(request, response);
    else allowOrigin(request, response, () => answer(request, response));
  };
}

function makeDocuments(documents: Documents): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag').enable('case sensitive routing');
  app.use((request, response, next) => {
    const problem = headerProblem(request);
    if (problem) refuse(response, problem);
    else next();
  });
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
