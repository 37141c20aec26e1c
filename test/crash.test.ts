import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from '@jest/globals';
import { openStores, type Stores } from '../src/compose.ts';
import { allProjections } from '../src/project.ts';
import { tableOf } from '../src/projection.ts';
import { rebuild } from '../src/rebuild.ts';
import { end, startServer } from './runCommand.ts';
import { type Credentials, minutesFromNow, ROOT, STATIC_CLIENTS } from './startService.ts';
import { signedFetch } from './signed.ts';

const CRASHES = 50;
const WRITERS = 6;
const dataDir = mkdtempSync(join(tmpdir(), 'authledger-crash-'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

type Settings = { description: string; disabled: boolean; accessToken?: string };
/** What of a client is certain, and what a request that was cut off may have made of it. */
type Known = {
  clientId: string;
  certain: Settings | undefined;
  possible?: Settings | undefined;
  inDoubt: boolean;
};

const expires = minutesFromNow(600);

/** One change after another on clients of its own, until the service is gone. */
async function write(rootUrl: string, known: Map<string, Known>, name: string): Promise<void> {
  const url = (clientId: string, verb = ''): string =>
    `${rootUrl}/api/auth/v1/clients/${encodeURIComponent(clientId)}${verb}`;
  for (let i = 0; ; i += 1) {
    const clientId = `${name}/${i}`;
    const client: Known = { clientId, certain: undefined, inDoubt: false };
    known.set(clientId, client);
    const change = async (
      next: Settings | undefined,
      send: () => ReturnType<typeof signedFetch>,
    ): Promise<boolean> => {
      Object.assign(client, { possible: next, inDoubt: true });
      const { status, body } = await send().catch(() => ({
        status: 0,
        body: {} as { accessToken?: string },
      }));
      if (status === 0) return false;
      expect(status).toBeLessThan(300);
      const accessToken = (body as { accessToken?: string }).accessToken ?? next?.accessToken;
      Object.assign(client, {
        certain: next && { ...next, accessToken },
        possible: undefined,
        inDoubt: false,
      });
      return true;
    };
    const body = { description: 'first', expires, scopes: ['auth:current-scopes'] };
    const made = { description: 'first', disabled: false };
    if (!(await change(made, () => signedFetch(url(clientId), ROOT, { method: 'PUT', body })))) return;
    if (
      !(await change({ ...client.certain!, accessToken: undefined }, () =>
        signedFetch(url(clientId, '/reset'), ROOT, { method: 'POST' }),
      ))
    )
      return;
    const next = { ...client.certain!, description: 'second' };
    if (
      !(await change(next, () =>
        signedFetch(url(clientId), ROOT, { method: 'POST', body: { ...body, description: 'second' } }),
      ))
    )
      return;
    if (
      i % 3 === 1 &&
      !(await change({ ...next, disabled: true }, () =>
        signedFetch(url(clientId, '/disable'), ROOT, { method: 'POST' }),
      ))
    )
      return;
    if (
      i % 3 === 2 &&
      !(await change(undefined, () => signedFetch(url(clientId), ROOT, { method: 'DELETE' })))
    )
      return;
  }
}

/** After a crash, a client is as it certainly was, or as the request that was cut off would have made it. */
async function check(rootUrl: string, client: Known): Promise<void> {
  const { clientId, certain, possible, inDoubt } = client;
  const { status, body } = await signedFetch(
    `${rootUrl}/api/auth/v1/clients/${encodeURIComponent(clientId)}`,
    ROOT,
  );
  const found = status === 404 ? undefined : { description: body['description'], disabled: body['disabled'] };
  const shown = (state: Settings | undefined) =>
    state && { description: state.description, disabled: state.disabled };
  const allowed = inDoubt ? [shown(certain), shown(possible)] : [shown(certain)];
  expect({ clientId, allowed }).toEqual({ clientId, allowed: expect.arrayContaining([found]) });
  if (!found || !certain?.accessToken) return;
  const itself: Credentials = { clientId, accessToken: certain.accessToken };
  const answer = await signedFetch(`${rootUrl}/api/auth/v1/scopes/current`, itself);
  // Only a reset that was cut off may have ended the token, and then another one is in its place.
  const wasReset = inDoubt && possible !== undefined && possible.accessToken === undefined;
  if (found.disabled) expect(answer.status).toBe(401);
  else if (wasReset) expect([200, 401]).toContain(answer.status);
  else expect({ clientId, status: answer.status }).toEqual({ clientId, status: 200 });
}

async function rowsOf({ readStore }: Stores): Promise<unknown[]> {
  return Promise.all(allProjections.map((each) => readStore.list(tableOf(each), { limit: 1_000_000 })));
}

test(`nothing acknowledged is lost, and nothing is half done, through ${CRASHES} crashes under load`, async () => {
  const env = { DATA_DIR: dataDir, STATIC_CLIENTS, LOG_LEVEL: 'warn', READ_ACCESS: 'guarded' };
  const all = new Map<string, Known>();
  let acknowledged = 0;
  for (let crash = 0; crash <= CRASHES; crash += 1) {
    const { child, rootUrl, output } = await startServer({ ...env, LOG_LEVEL: 'info' });
    const recent = [...all.values()].slice(-80);
    for (let at = 0; at < recent.length; at += 20)
      await Promise.all(recent.slice(at, at + 20).map((client) => check(rootUrl, client)));
    expect(output()).not.toMatch(/internal error/);
    if (crash === CRASHES) {
      await Promise.all([...all.values()].map((client) => check(rootUrl, client)));
      await sleep(6000); // the lease of the process that crashed runs out, and this one writes the tables
      await end(child);
      break;
    }
    const writers = Array.from({ length: WRITERS }, (_, i) => write(rootUrl, all, `c${crash}/w${i}`));
    await sleep(20 + Math.random() * 180);
    await end(child, 'SIGKILL');
    await Promise.all(writers);
  }
  acknowledged = [...all.values()].filter(({ certain }) => certain).length;
  expect(acknowledged).toBeGreaterThan(CRASHES);

  const stores = await openStores({ dataDir, secretKeys: undefined });
  try {
    const before = await rowsOf(stores);
    await rebuild(allProjections, stores, () => undefined);
    expect(before).toEqual(await rowsOf(stores));
  } finally {
    await stores.close();
  }
}, 180_000);
