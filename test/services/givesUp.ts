import { expect } from '@jest/globals';
import type { GuardedRequest, GuardedService } from '../../src/services/guardedService.ts';

/**
 * Requests credentials from a service's first endpoint, aborts once it `waits` for the third party, which does not answer,
 * and expects an error.
 */
export async function expectToGiveUp<Setting, Client>(
  { open, endpoints }: GuardedService<Setting, Client>,
  setting: unknown,
  { waits, ...request }: Record<string, unknown> & { waits: Promise<unknown> },
): Promise<void> {
  const client = await open(setting as Setting);
  const [endpoint] = endpoints;
  if (!endpoint || !('issue' in endpoint)) throw new Error('there is no such endpoint');
  const asking = new AbortController();
  const asked = { ...request, now: new Date(), signal: asking.signal };
  const given = endpoint.issue(client, asked as unknown as GuardedRequest);
  void waits.then(() => asking.abort());
  await expect(given).rejects.toThrow();
}
