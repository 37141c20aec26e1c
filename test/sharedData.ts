import { existsSync } from 'node:fs';
import { test } from '@jest/globals';

/** A file of real data beside the repository, which not everybody has. */
export function sharedFile(path: string): URL {
  return new URL(`../../shared/${path}`, import.meta.url);
}

/** A test that needs such a file: without it, it says so and is skipped; under NO_TEST_SKIP=1 that is a failure. */
export function testWithShared(path: string, name: string, body: () => void | Promise<void>): void {
  if (existsSync(sharedFile(path)) || process.env['NO_TEST_SKIP'] === '1') test(name, body);
  else test.skip(`${name} (skipped: ../shared/${path} is not there)`, body);
}
