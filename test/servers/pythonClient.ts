import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import type { Finished } from '../runCommand.ts';
import type { Credentials, OfficialClient } from '../startService.ts';

const SCRIPT = join(import.meta.dirname, '../../scripts/python-clients');
const CALLS = join(import.meta.dirname, 'python/calls.py');

/** What `taskcluster.Auth` of Python takes; `baseUrl` is the older one's. */
export type PythonOptions = {
  rootUrl?: string;
  baseUrl?: string;
  credentials?: Credentials;
  authorizedScopes?: string[];
  maxRetries?: number;
};
export type PythonClient = Awaited<ReturnType<typeof startPythonClient>>;

/** The Python of `scripts/python-clients`; nothing else is in its environment, as the clients take credentials from there. */
export function startPython(
  client: 'current' | 'older',
  args: string[],
  env: Record<string, string> = {},
): ChildProcessWithoutNullStreams {
  const { PATH, HOME, AUTHLEDGER_SERVERS } = process.env;
  return spawn(SCRIPT, [client, ...args], { env: { PATH, HOME, AUTHLEDGER_SERVERS, ...env } });
}

/** Runs it to its end. */
export async function runPython(args: string[], env: Record<string, string>): Promise<Finished> {
  const child = startPython('current', args, env);
  const output = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  const [stdout, stderr, [code]] = await output;
  return { stdout, stderr, code: code as number | null };
}

/**
 * An official Python client in a process of its own: of `scripts/python-clients`, its class `taskcluster.Auth` or
 * `taskcluster.aio.Auth`. An error has `statusCode` and `code` as those of the JavaScript clients have.
 */
export async function startPythonClient(client: 'current' | 'older', mode: 'sync' | 'async') {
  const child = startPython(client, [CALLS, mode]);
  const complaints = text(child.stderr);
  const outcomes = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let last: Promise<unknown> = Promise.resolve();

  /** Uses are made one after another. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  function use(what: object): Promise<any> {
    const outcome = last.then(async () => {
      child.stdin.write(`${JSON.stringify(what)}\n`);
      const { value, done } = await outcomes.next();
      if (done) throw new Error(`the Python client ended:\n${await complaints}`);
      const { reply, error } = JSON.parse(value) as { reply?: unknown; error?: object };
      if (error) throw Object.assign(new Error(), error);
      return reply;
    });
    last = outcome.catch(() => undefined);
    return outcome;
  }

  return {
    /** The names of all methods that it has. */
    methods: (): Promise<string[]> => use({ use: 'methods' }),
    /** Its methods; `args` are a method's parameters, then its payload if it takes one, then its query if there is one. */
    auth: (options: PythonOptions): OfficialClient =>
      new Proxy<OfficialClient>(
        {},
        {
          get:
            (_, method) =>
            (...args: unknown[]) =>
              use({ use: 'call', options, method, args }),
        },
      ),
    signedUrl: (options: PythonOptions, method: string, ...args: unknown[]): Promise<string> =>
      use({ use: 'signedUrl', options, method, args }),
    /** An `Authorization` header for a request of any service, signed as the client signs its own. */
    header: (options: PythonOptions, url: string, httpMethod: string): Promise<string> =>
      use({ use: 'header', options, url, httpMethod }),
    /** Temporary credentials for ten minutes; with a name, a client of that name has them. */
    temporary: (
      { clientId, accessToken }: Credentials,
      scopes: string[],
      name?: string,
    ): Promise<Credentials> =>
      use({ use: 'temporary', clientId, accessToken, scopes, ...(name && { name }) }),
    async stop(): Promise<void> {
      const gone = once(child, 'exit');
      child.stdin.end();
      await gone;
    },
  };
}
