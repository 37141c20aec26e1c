import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { PublisherState } from '../../src/publisher/publisherState.ts';

/** How far the publisher has come, as a node says it. */
export async function publisherAt(rootUrl: string): Promise<PublisherState> {
  const reply = await fetch(`${rootUrl}/api/auth/v1/__heartbeat__`);
  expect(reply.status).toBe(200);
  return ((await reply.json()) as { publisher: PublisherState }).publisher;
}

/** Resolves once everything in the log is published. */
export async function untilPublished(rootUrl: string): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const { position, head } = await publisherAt(rootUrl);
    if (position >= head) return;
    expect(tries).toBeLessThan(300);
    await sleep(100);
  }
}
