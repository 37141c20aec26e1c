import hawk from 'hawk';
import { ConfigError, invalid } from '../config/configError.ts';
import { type CallerCredentials, readCallerCredentials } from '../config/callerCredentials.ts';
import { readRootUrl } from '../config/settingReaders.ts';
import { inWordsOfOptions, refusalText } from './refusalText.ts';
import { ApiError, ERROR_CODES, type ErrorCode } from '../domain/errors.ts';

/** A method of the API, as commands call it: the service is asked over HTTP, or the stores directly. */
export type Question = {
  method: string;
  params?: Record<string, string>;
  query?: Record<string, string | undefined>;
  body?: object;
};

/** A reply: its body, and of which position of the log it is true, if it says so in its header. */
export type Answer<Body> = { body: Body; position?: string };

/** Calls a method. Throws ApiError. */
export type Ask = <Body>(question: Question) => Promise<Answer<Body>>;

/** Where a command asks: a running service, or the stores that the settings name. */
export type Asked = { rootUrl?: string };

/**
 * Runs a command that asks methods of the API: over HTTP if a root URL is given, with the credentials that official
 * clients take from the environment; else on the stores directly, where it may read everything. `names` are the command
 * line's for the parameters of the methods: refusals name these.
 */
export async function withAsk<T>(
  asked: Asked,
  names: Readonly<Record<string, string>>,
  run: (ask: Ask) => Promise<T>,
): Promise<T> {
  return asking(asked, run).catch((error: unknown) => {
    if (!(error instanceof ApiError) || error.status !== 400) throw error;
    throw new ApiError(error.code, inWordsOfOptions(error.message, names), error.details);
  });
}

async function asking<T>({ rootUrl }: Asked, run: (ask: Ask) => Promise<T>): Promise<T> {
  if (rootUrl !== undefined) return run(askOverHttp(rootUrlGiven(rootUrl), readCallerCredentials()));
  // What the stores need takes most of a start.
  const { askDirectly } = await import('./askDirectly.ts');
  const { withService } = await import('./withService.ts');
  return withService((service) => run(askDirectly(service)), { onlyReads: true });
}

function rootUrlGiven(text: string): string {
  try {
    return readRootUrl(text);
  } catch (error) {
    if (error instanceof ConfigError) invalid(`--root-url ${error.message}`);
    throw error;
  }
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

/** A service answers within this time (ms), or it hangs: the longest page takes some 10 s. */
const PATIENCE = 120_000;

const WITHOUT_CREDENTIALS =
  'asked without credentials: TASKCLUSTER_CLIENT_ID and TASKCLUSTER_ACCESS_TOKEN are not set';

type Refusal = { code: string; message: string };

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
      signal: AbortSignal.timeout(PATIENCE),
    }).catch((error: unknown) => {
      throw new ApiError('ServiceUnavailable', `${rootUrl} does not answer: ${reasonOf(error)}`);
    });
    const reply = (await response.json().catch(() => undefined)) as Partial<Refusal> | undefined;
    const position = response.headers.get('auth-position');
    if (response.ok && reply !== undefined)
      return { body: reply as Body, ...(position !== null && { position }) };
    if (response.ok) throw new ApiError('BadGateway', `${rootUrl} did not answer ${method} with JSON`);
    const { code = '', message } = reply ?? {};
    const why =
      typeof message === 'string' ? refusalText(message) : `it answered with status ${response.status}`;
    const known = ERROR_CODES.includes(code as ErrorCode) ? (code as ErrorCode) : 'InternalServerError';
    const hint = credentials || ![401, 403].includes(response.status) ? '' : ` (${WITHOUT_CREDENTIALS})`;
    throw new ApiError(known, `${rootUrl} refused ${method}: ${why}${hint}`);
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
