import type { ServerResponse } from 'node:http';
import express, { type Express } from 'express';
import { ApiError } from '../domain/errors.ts';
import { errorBody } from './errorBody.ts';
import { headerProblem } from './headerLimits.ts';
import { sendAllowed, sendJson } from './send.ts';

/** JSON documents outside the API, by path. */
export type Documents = Readonly<Record<string, object>>;

/**
 * An Express application for everything outside the API: it serves the documents, and answers every other request with
 * an error in the API's form.
 */
export function makeDocumentsApp(documents: Documents): Express {
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

function refuse(response: ServerResponse, error: ApiError): void {
  const shown = { method: '', params: {}, payload: {}, time: new Date().toJSON() };
  sendJson(response, errorBody(error, shown), { status: error.status });
}
