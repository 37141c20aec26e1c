import { expect } from '@jest/globals';
import type { GuardedRequest, GuardedService } from '../../src/services/guardedService.ts';

/**
 * Asks a service's first endpoint for credentials, aborts once it `waits` for the third party, which is silent, and expects that it
 * gives up.
 */
export async function expectToGiveUp<Setting, Client>(
  { open, endpoints }: GuardedService<Setting, Client>,
  setting: unknown,
  { waits, ...request }: Record<string, unknown> & { waits: Promise<unknown> },
): Promise<void> {
  const client = await open(setting as Setting);
  const [endpoint] = endpoints;
  if (!endpoint || !('give' in endpoint)) throw new Error('there is no such endpoint');
  const asking = new AbortController();
  const asked = { ...request, now: new Date(), signal: asking.signal };
  const given = endpoint.give(client, asked as unknown as GuardedRequest);
  void waits.then(() => asking.abort());
  await expect(given).rejects.toThrow();
}
