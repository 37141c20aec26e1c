import type { RequestListener } from 'node:http';
import cors from 'cors';
import type { Config } from '../config/config.ts';
import { type Documents, makeDocumentsApp } from './documentsApp.ts';
import { EVERY_REPLY } from './send.ts';
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

/**
 * Answers every HTTP request: the API through its own pipeline, ahead of Express, which costs several times what bare
 * node:http does; the documents, and an error in the API's form for everything else, through Express.
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
    // The package answers a browser's by itself.
    if (request.method === 'OPTIONS') response.setHeaders(new Headers(EVERY_REPLY));
    // Only browsers say where they come from, and only they look for an answer to it.
    if (request.headers.origin === undefined) answer(request, response);
    else allowOrigin(request, response, () => answer(request, response));
  };
}
