import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { keyName } from '../../src/services/sentryApi.ts';
import { startService, type TestService } from '../startService.ts';

export const TOKEN = 'canary-token-of-sentry-0123456789';
export const ORGANIZATION = 'acme';
export const TEAM = 'first-team';
export const PREFIX = 'authledger';
const API = '/api/0/';

export const HOUR = 60 * 60_000;
/** The time `count` hours from now. */
export const hours = (count: number): Date => new Date(Date.now() + count * HOUR);
/** The name of a key that the service created. */
export const managed = (expires: Date): string => keyName(PREFIX, expires);

export type Key = {
  id: string;
  name: string;
  isActive: boolean;
  dsn: { secret: string; public: string; csp: string };
};
type Answer = (request: IncomingMessage, response: ServerResponse) => void;
export type SentryDouble = Awaited<ReturnType<typeof startSentryDouble>>;

/** A service that uses the double. Its job has started and is idle. */
export async function startWithSentry(): Promise<{ double: SentryDouble; service: TestService }> {
  const double = await startSentryDouble();
  const service = await startService({ SENTRY: JSON.stringify(double.setting()) });
  while (double.requests.length === 0) await sleep(1);
  return { double, service };
}

/** The part of Sentry's documented REST API that the service uses, in memory and on loopback. */
export async function startSentryDouble() {
  const projects = new Map<string, Key[]>();
  const requests: string[] = [];
  const double = {
    projects,
    /** Method and path with its query, of each request. */
    requests,
    pageSize: 100,
    /** If it returns something for a request, that is the answer. */
    instead: (_: string): Answer | undefined => undefined,
    addKey(project: string, name: string, isActive = true): Key {
      const id = (Math.random().toString(16) + '0'.repeat(32)).slice(2, 34);
      const at = '127.0.0.1/7';
      const dsn = {
        secret: `https://${id}:canary@${at}`,
        public: `https://${id}@${at}`,
        csp: `https://${at}`,
      };
      const key = { id, name, isActive, dsn };
      projects.get(project)!.push(key);
      return key;
    },
    baseUrl: '',
    /** The setting for it. */
    setting: () => ({
      organization: ORGANIZATION,
      baseUrl: double.baseUrl,
      authToken: TOKEN,
      initialTeam: TEAM,
      keyPrefix: PREFIX,
    }),
    reset(): void {
      projects.clear();
      requests.length = 0;
      double.pageSize = 100;
      double.instead = () => undefined;
    },
    async stop(): Promise<void> {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };

  const server = createServer((request, response) => {
    const what = `${request.method} ${request.url}`;
    requests.push(what);
    const answer = double.instead(what) ?? asSentry;
    void answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  double.baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function asSentry(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers.authorization !== `Bearer ${TOKEN}`) return refuse(response, 401);
    const { pathname, searchParams } = new URL(request.url!, double.baseUrl);
    // Sentry redirects paths without the last slash.
    if (!pathname.startsWith(API) || !pathname.endsWith('/')) return refuse(response, 404);
    const cursor = searchParams.get('cursor') ?? '0:0:0';
    const [kind, organization, ...rest] = pathname.slice(API.length, -1).split('/');
    if (organization !== ORGANIZATION) return refuse(response, 404);
    const route = `${request.method} ${kind} ${rest.length}`;
    if (route === 'GET organizations 1' && rest[0] === 'projects')
      return sendPage(response, {
        entries: [...projects.keys()].map((slug) => ({ slug })),
        pathname,
        cursor,
      });
    if (route === 'POST teams 2' && rest[1] === 'projects') {
      if (rest[0] !== TEAM) return refuse(response, 404);
      const { slug, name } = await bodyOf(request);
      if (!/^(?!\d+$)[a-z0-9_-]{1,100}$/.test(slug!) || !name) return refuse(response, 400);
      if (projects.has(slug!)) return refuse(response, 409);
      projects.set(slug!, []);
      double.addKey(slug!, 'Default');
      return send(response, 201, { slug, name });
    }
    const [project, keys, id] = rest;
    const entries = projects.get(project!);
    if (kind !== 'projects' || keys !== 'keys' || entries === undefined) return refuse(response, 404);
    if (route === 'GET projects 2') return sendPage(response, { entries, pathname, cursor });
    if (route === 'POST projects 2') {
      const { name } = await bodyOf(request);
      if (!name || name.length > 64) return refuse(response, 400);
      return send(response, 201, double.addKey(project!, name));
    }
    const at = entries.findIndex((key) => key.id === id);
    if (route !== 'DELETE projects 3' || at < 0) return refuse(response, 404);
    entries.splice(at, 1);
    response.writeHead(204).end();
  }

  function sendPage(
    response: ServerResponse,
    { entries, pathname, cursor }: { entries: object[]; pathname: string; cursor: string },
  ): void {
    const from = Number(cursor.split(':')[1]);
    const to = from + double.pageSize;
    const link = (rel: string, results: boolean, at: string): string =>
      `<https://elsewhere.example.com${pathname}?&cursor=${at}>; rel="${rel}"; results="${results}"; cursor="${at}"`;
    const links = [
      link('previous', from > 0, `0:${Math.max(from - double.pageSize, 0)}:1`),
      link('next', to < entries.length, `0:${to}:0`),
    ];
    response.setHeader('link', links.join(', '));
    send(response, 200, entries.slice(from, to));
  }

  return double;
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** A refusal of Sentry, with a text that must not be passed on. */
export function refuse(response: ServerResponse, status: number): void {
  send(response, status, { detail: `canary of Sentry's words, for ${TOKEN}` });
}

async function bodyOf(request: IncomingMessage): Promise<{ slug?: string; name?: string }> {
  if (request.headers['content-type'] !== 'application/json') return {};
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as object;
}
