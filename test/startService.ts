import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import taskcluster from 'taskcluster-client';
import { readConfig } from '../src/config/config.ts';
import { startServer, type RunningServer } from '../src/cli/startServer.ts';
import { guardedServices } from '../src/services/guardedServices.ts';

/** The older official client is CommonJS; few tests ask with it, and it takes its time to load. */
const require = createRequire(import.meta.url);
const olderClient = () =>
  require('taskcluster-client-3') as { Auth: new (options: object) => OfficialClient };

export type Credentials = { clientId: string; accessToken: string; certificate?: string | object };
/** The methods of an official client, by name. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type OfficialClient = Record<string, (...args: any[]) => Promise<any>>;

export type TestService = RunningServer & {
  dataDir: string;
  root: Credentials;
  /** What was logged, as JSON lines. */
  logged(): string;
  /** The current official client; with root's credentials unless others (or null: none) are given. */
  current(credentials?: Credentials | null, options?: object): OfficialClient;
  /** The older official client. */
  older(credentials?: Credentials | null, options?: object): OfficialClient;
  /** Stops the service and starts it again on the same data. */
  restart(env?: Record<string, string>): Promise<TestService>;
  /** Stops the service; its data is removed. */
  remove(): Promise<void>;
};

export const ROOT: Credentials = {
  clientId: 'static/root',
  accessToken: 'root-token-of-the-tests-0123456789',
};
export const STATIC_CLIENTS = JSON.stringify([{ ...ROOT, description: 'root of the tests', scopes: ['*'] }]);

/** A whole service on a directory of its own and a free port, checking each of its replies against its schema. */
export async function startService(
  env: Record<string, string> = {},
  dataDir = mkdtempSync(join(tmpdir(), 'authledger-test-')),
): Promise<TestService> {
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const config = readConfig(guardedServices, {
    PORT: '0',
    DATA_DIR: dataDir,
    STATIC_CLIENTS,
    DISK_RESERVE: '1MiB',
    ...env,
  });
  const serving = await startServer(config, { log, checkReplies: true });
  const retries = { retries: 0 };
  return {
    ...serving,
    dataDir,
    root: ROOT,
    logged: () => lines.join(''),
    current: (credentials = ROOT, options = {}) =>
      new taskcluster.Auth({
        rootUrl: serving.rootUrl,
        ...(credentials && { credentials }),
        ...retries,
        ...options,
      }),
    older: (credentials = ROOT, options = {}) =>
      new (olderClient().Auth)({
        baseUrl: `${serving.rootUrl}/v1`,
        ...(credentials && { credentials }),
        ...retries,
        ...options,
      }),
    async restart(other = {}) {
      await serving.stop();
      return startService({ ...env, ...other }, dataDir);
    },
    async remove() {
      await serving.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** A date so many minutes from now, as the API takes it. */
export function minutesFromNow(minutes: number): string {
  return new Date(Date.now() + minutes * 60_000).toJSON();
}
