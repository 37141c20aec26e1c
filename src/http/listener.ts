import type { RequestListener } from 'node:http';
import cors from 'cors';
import type { Config } from '../config/config.ts';
import { type Documents, makeDocumentsApp } from './documentsApp.ts';
import { EVERY_REPLY } from './send.ts';
import type { Pipeline } from './pipeline.ts';

/** CORS for these origins. `*` is safe, because callers authenticate by a signature and never by a cookie. */
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
    exposedHeaders: [
      'Auth-Position',
      'Auth-Position-Time',
      'Www-Authenticate',
      'Retry-After',
      'RateLimit-Policy',
      'RateLimit',
    ],
    maxAge: 24 * 60 * 60,
    optionsSuccessStatus: 204,
  });
}

/**
 * Makes the listener for every HTTP request. Requests of the API go through the pipeline, ahead of Express, which costs
 * several times as much as bare node:http. Everything else goes to Express: see makeDocumentsApp.
 */
export function makeListener(
  serve: Pipeline,
  { allowedCorsOrigin, documents }: Pick<Config, 'allowedCorsOrigin'> & { documents: Documents },
): RequestListener {
  const allowOrigin = corsFor(allowedCorsOrigin);
  const serveDocuments = makeDocumentsApp(documents);
  const answer: RequestListener = (request, response) => {
    if (!serve(request, response)) serveDocuments(request, response);
  };
  return (request, response) => {
    // The cors package itself answers preflight requests.
    if (request.method === 'OPTIONS') response.setHeaders(new Headers(EVERY_REPLY));
    // Only browsers send Origin, and only they need the CORS headers.
    if (request.headers.origin === undefined) answer(request, response);
    else allowOrigin(request, response, () => answer(request, response));
  };
}
