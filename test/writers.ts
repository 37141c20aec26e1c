import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from '@jest/globals';
import { type Reply, signedFetch } from './signed.ts';
import { type Credentials, minutesFromNow, ROOT } from './startService.ts';

type Settings = { description: string; disabled: boolean; accessToken?: string };
/** What of a client is certain, and what a request that was cut off may have made of it. */
export type Known = {
  clientId: string;
  certain: Settings | undefined;
  possible?: Settings | undefined;
  inDoubt: boolean;
};
/** Where a writer writes, and until when. */
export type Target = { rootUrl(): string; isOver(): boolean };

const expires = minutesFromNow(600);
const FIRST = { description: 'first', expires, scopes: ['auth:current-scopes'] };

function urlOf(rootUrl: string, clientId: string, verb = ''): string {
  return `${rootUrl}/api/auth/v1/clients/${encodeURIComponent(clientId)}${verb}`;
}

/** A life of a client, one change after another, and what each makes of it. */
function* changesOf(
  client: Known,
  i: number,
): Generator<[verb: string, request: object, next: Settings | undefined]> {
  yield ['', { method: 'PUT', body: FIRST }, { description: 'first', disabled: false }];
  yield ['/reset', { method: 'POST' }, { ...client.certain!, accessToken: undefined }];
  const second = { ...client.certain!, description: 'second' };
  yield ['', { method: 'POST', body: { ...FIRST, description: 'second' } }, second];
  if (i % 3 === 1) yield ['/disable', { method: 'POST' }, { ...second, disabled: true }];
  if (i % 3 === 2) yield ['', { method: 'DELETE' }, undefined];
}

/**
 * Makes one change after another, on clients of its own, until it is over, and notes what is certain of each client in
 * `known`. A refusal that says to try again means that nothing was changed; where no reply came, both is possible.
 */
export async function write(target: Target, known: Map<string, Known>, name: string): Promise<void> {
  for (let i = 0; !target.isOver(); i += 1) {
    const client: Known = { clientId: `${name}/${i}`, certain: undefined, inDoubt: false };
    known.set(client.clientId, client);
    for (const [verb, request, next] of changesOf(client, i)) {
      Object.assign(client, { possible: next, inDoubt: true });
      const reply = await signedFetch(urlOf(target.rootUrl(), client.clientId, verb), ROOT, request).catch(
        (error: Error): Reply => {
          if (error.name === 'TimeoutError') throw error;
          return { status: 0, body: {} };
        },
      );
      const { status, body } = reply;
      const isUnknown = status === 0 || /may have been made or not/.test(body['message'] ?? '');
      if (status === 503) Object.assign(client, { possible: undefined, inDoubt: false });
      if (isUnknown || status === 503) {
        await sleep(20);
        break;
      }
      expect({ status, body: status < 300 ? {} : reply.body }).toEqual({
        status: expect.any(Number),
        body: {},
      });
      const accessToken = (body as { accessToken?: string }).accessToken ?? next?.accessToken;
      Object.assign(client, {
        certain: next && { ...next, accessToken },
        possible: undefined,
        inDoubt: false,
      });
    }
  }
}

/** A client is as it certainly was, or as the request that was cut off would have made it. */
export async function check(rootUrl: string, client: Known): Promise<void> {
  const { clientId, certain, possible, inDoubt } = client;
  const { status, body } = await signedFetch(urlOf(rootUrl, clientId), ROOT);
  expect([200, 404]).toContain(status);
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

/** Checks clients, some at a time. */
export async function checkAll(rootUrl: string, clients: Iterable<Known>): Promise<void> {
  const all = [...clients];
  for (let at = 0; at < all.length; at += 20)
    await Promise.all(all.slice(at, at + 20).map((client) => check(rootUrl, client)));
}
