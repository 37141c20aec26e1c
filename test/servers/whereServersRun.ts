import { describe } from '@jest/globals';
import { isInstalled } from './realServers.ts';

/** Tests that need real servers. They are skipped, saying so, where the servers are not; with NO_TEST_SKIP=1 they fail there. */
export function whereServersRun(
  servers: (keyof typeof isInstalled)[],
  name: string,
  tests: () => void,
): void {
  const missing = servers.filter((server) => !isInstalled[server]);
  if (missing.length === 0 || process.env['NO_TEST_SKIP'] === '1') describe(name, tests);
  else {
    const how = missing.map((server) => `scripts/${server} install`).join(', ');
    describe.skip(`${name} (skipped: run ${how})`, tests);
  }
}
