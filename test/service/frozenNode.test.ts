import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { end } from '../runCommand.ts';
import { authorizationFor } from '../signed.ts';
import {
  type Credentials,
  minutesFromNow,
  startService,
  STATIC_CLIENTS,
  type TestService,
} from '../startService.ts';

const PROGRAM = new URL('../nodeOverFiles.js', import.meta.url).pathname;
const MAX_STALENESS = 2000;

let service: TestService;
let child: ReturnType<typeof startNode>;
let rootUrl: string;
function startNode() {
  const env = { PATH: process.env['PATH'], STATIC_CLIENTS, MAX_STALENESS: `${MAX_STALENESS}ms` };
  return spawn(process.execPath, [PROGRAM, service.dataDir], { env, stdio: ['ignore', 'pipe', 'inherit'] });
}
beforeAll(async () => {
  service = await startService();
  child = startNode();
  [rootUrl] = (await once(createInterface(child.stdout!), 'line')) as [string];
});
afterAll(async () => {
  child?.kill('SIGCONT');
  if (child) await end(child, 'SIGKILL');
  await service?.remove();
});

async function statusOf(client: Credentials): Promise<number> {
  const url = `${rootUrl}/api/auth/v1/scopes/current`;
  const response = await fetch(url, { headers: { authorization: authorizationFor(url, 'GET', client) } });
  await response.text();
  return response.status;
}

test('a node that is frozen and resumed never grants what was revoked meanwhile, and soon answers again', async () => {
  const settings = { description: '', expires: minutesFromNow(60), scopes: ['auth:current-scopes'] };
  for (let i = 0; i < 4; i += 1) {
    const clientId = `frozen/${i}`;
    const { accessToken } = await service.current()['createClient']!(clientId, settings);
    const client = { clientId, accessToken };
    while ((await statusOf(client)) !== 200) await sleep(20);

    child.kill('SIGSTOP');
    // One comes before the change, one after it, one just before the node goes on.
    const asked = [statusOf(client)];
    await service.current()['disableClient']!(clientId);
    asked.push(statusOf(client));
    await sleep(MAX_STALENESS + 100);
    asked.push(statusOf(client));
    child.kill('SIGCONT');
    for (const status of await Promise.all(asked)) expect([401, 503]).toContain(status);

    const resumed = Date.now();
    while ((await statusOf(client)) !== 401) {
      expect(Date.now() - resumed).toBeLessThan(10_000);
      await sleep(20);
    }
  }
});
