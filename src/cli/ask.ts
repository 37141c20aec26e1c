import { randomUUID } from 'node:crypto';
import hawk from 'hawk';
import type { Service } from '../compose.ts';
import { type CallerCredentials, readCallerCredentials } from '../config/callerCredentials.ts';
import { readRootUrl } from '../config/settingReaders.ts';
import { ApiError, ERROR_CODES, type ErrorCode } from '../domain/errors.ts';
import type { Endpoint, EndpointReply } from '../http/endpoint.ts';
import { queryOf } from '../http/endpoint.ts';
import { apiValidator } from '../http/validator.ts';
import { withService } from './withService.ts';

/** A method of the API, as commands call it: the service is asked over HTTP, or the stores directly. */
export type Question = {
  method: string;
  params?: Record<string, string>;
  query?: Record<string, string | undefined>;
  body?: object;
};

/** Calls a method and returns its reply's body. Throws ApiError. */
export type Ask = <Body>(question: Question) => Promise<Body>;

/** Where a command asks: a running service, or the stores that the settings name. */
export type Asked = { rootUrl?: string };

/**
 * Runs a command that asks methods of the API: over HTTP if a root URL is given, with the credentials that official
 * clients take from the environment; else on the stores directly, where it may read everything.
 */
export function withAsk<T>({ rootUrl }: Asked, run: (ask: Ask) => Promise<T>): Promise<T> {
  if (rootUrl !== undefined) return run(askOverHttp(readRootUrl(rootUrl), readCallerCredentials()));
  return withService((service) => run(askDirectly(service)));
}

function askDirectly({ answering: { endpoints } }: Service): Ask {
  return async <Body>({ method, params = {}, query = {}, body = {} }: Question) => {
    const endpoint = endpoints.find(({ name, dialects }) => name === method && dialects.at(-1) !== 'older')!;
    if (endpoint.input !== undefined) apiValidator.checkInput(endpoint.input, body);
    const reply = await endpoint.handle({
      now: new Date(),
      params,
      query: present(query, endpoint),
      body,
      caller: { clientId: 'static/authledger/cli', scopes: ['*'] },
      authorize: async () => undefined,
      signed: { method: '', resource: '', host: '', port: 0, payload: Buffer.alloc(0), contentType: '' },
      origin: { requestId: randomUUID() },
    });
    return JSON.parse(await textOf(reply)) as Body;
  };
}

async function textOf({ body, ascii, chunks }: EndpointReply): Promise<string> {
  if (ascii !== undefined) return ascii;
  if (!chunks) return JSON.stringify(body ?? {});
  let text = '';
  for await (const chunk of chunks) text += chunk;
  return text;
}

function present(query: Question['query'], endpoint: Endpoint): Record<string, string> {
  const known = queryOf(endpoint);
  return Object.fromEntries(
    Object.entries(query!).filter(([name, value]) => known.includes(name) && value !== undefined),
  ) as Record<string, string>;
}

/** The routes of the methods that commands call. */
const ROUTES: Record<string, { verb: 'GET' | 'POST'; route: string }> = {
  client: { verb: 'GET', route: '/api/auth/v1/clients/<clientId>' },
  role: { verb: 'GET', route: '/api/auth/v1/roles/<roleId>' },
  history: { verb: 'GET', route: '/api/authledger/v1/history' },
  explain: { verb: 'POST', route: '/api/authledger/v1/explain' },
  whoCan: { verb: 'POST', route: '/api/authledger/v1/who-can' },
  whatChanged: { verb: 'POST', route: '/api/authledger/v1/what-changed' },
};

/** Asks a service over HTTP. */
export function askOverHttp(rootUrl: string, credentials: CallerCredentials | undefined): Ask {
  return async <Body>({ method, params = {}, query = {}, body }: Question) => {
    const { verb, route } = ROUTES[method]!;
    const url = new URL(
      rootUrl + route.replaceAll(/<([^>]+)>/g, (_, name: string) => encodeURIComponent(params[name]!)),
    );
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(name, value);
    const payload = body && JSON.stringify(body);
    const authorization = credentials && authorizationFor(url.href, verb, { credentials, payload });
    const response = await fetch(url, {
      method: verb,
      body: payload ?? null,
      headers: { 'content-type': 'application/json', ...(authorization && { authorization }) },
    }).catch((error: unknown) => {
      throw new ApiError('ServiceUnavailable', `${rootUrl} does not answer: ${reasonOf(error)}`);
    });
    const reply = (await response.json().catch(() => ({}))) as { code?: string; message?: string };
    if (response.ok) return reply as Body;
    const { code = '', message = `it answered with status ${response.status}` } = reply;
    const known = ERROR_CODES.includes(code as ErrorCode) ? (code as ErrorCode) : 'InternalServerError';
    throw new ApiError(known, `${rootUrl} refused ${method}: ${message}`);
  };
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message : message;
}

function authorizationFor(
  url: string,
  verb: string,
  { credentials, payload }: { credentials: CallerCredentials; payload: string | undefined },
): string {
  const { clientId: id, accessToken: key, certificate } = credentials;
  const ext =
    certificate && Buffer.from(JSON.stringify({ certificate: JSON.parse(certificate) })).toString('base64');
  const { header } = hawk.client.header(url, verb, {
    credentials: { id, key, algorithm: 'sha256' },
    ...(payload !== undefined && { payload, contentType: 'application/json' }),
    ...(ext && { ext }),
  });
  return header;
}
