import { expect } from '@jest/globals';
import type { GuardedRequest, GuardedService } from '../../src/services/guardedService.ts';

/**
 * Requests credentials from a service's first endpoint, aborts while the third party does not answer, and expects an
 * error.
 */
export async function expectToGiveUp<Setting, Client>(
  { open, endpoints }: GuardedService<Setting, Client>,
  setting: unknown,
  request: object,
): Promise<void> {
  const client = await open(setting as Setting);
  const [endpoint] = endpoints;
  if (!endpoint || !('issue' in endpoint)) throw new Error('there is no such endpoint');
  const asking = new AbortController();
  const asked = { ...request, now: new Date(), signal: asking.signal };
  const given = endpoint.issue(client, asked as unknown as GuardedRequest);
  setTimeout(() => asking.abort(), 50);
  await expect(given).rejects.toThrow();
}
