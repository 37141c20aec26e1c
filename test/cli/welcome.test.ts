import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { welcome } from '../../src/cli/welcome.ts';
import { rootClient } from '../../src/staticClients/rootCredentials.ts';

const rootUrl = 'http://127.0.0.1:8080';
const dataDir = mkdtempSync(join(tmpdir(), 'authledger-welcome-'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

/** The environment of a shell after the lines of the message were pasted. */
function pasted(message: string): string[] {
  const exports = message.split('\n').filter((line) => line.startsWith('  export '));
  const shown = 'echo "$TASKCLUSTER_ROOT_URL $TASKCLUSTER_CLIENT_ID $TASKCLUSTER_ACCESS_TOKEN"';
  const script = [...exports, shown].join('\n');
  return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim().split(' ');
}

describe('the message of a start', () => {
  const root = rootClient(dataDir);
  const credentials = [rootUrl, root.clientId, root.accessToken];

  const unset = { dataDir, staticClients: undefined };
  const file = `${dataDir}/root-credentials.json`;

  test('shows the credentials of the client that it made, in a terminal', () => {
    const message = welcome(rootUrl, unset, { madeRoot: root, showsToken: true });
    expect(pasted(message)).toEqual(credentials);
    expect(message).toContain('was made for you');
    expect(message).toContain(root.accessToken);
  });

  test('says where they are kept, and shows no token, to what is no terminal', () => {
    const message = welcome(rootUrl, unset, { madeRoot: root, showsToken: false });
    expect(pasted(message)).toEqual(credentials);
    expect(message).toContain(`was made for you. Its token is kept in\n${file}`);
    expect(message).not.toContain(root.accessToken);
  });

  test('shows no token again, but how to take it from its file', () => {
    const message = welcome(rootUrl, unset, { showsToken: true });
    expect(pasted(message)).toEqual(credentials);
    expect(message).toContain(`whose token is in ${file}`);
    expect(message).not.toContain(root.accessToken);
  });

  test('speaks of STATIC_CLIENTS where those are the clients', () => {
    const message = welcome(rootUrl, { dataDir, staticClients: [root] }, { showsToken: true });
    expect(message).toContain('those of STATIC_CLIENTS');
    expect(message).not.toContain('root-credentials.json');
    expect(message).not.toContain(root.accessToken);
  });

  test('names no file of a client that was retired', () => {
    const message = welcome(rootUrl, unset, { isRootRetired: true, showsToken: true });
    expect(message).toContain(`${root.clientId} was retired`);
    expect(message).not.toContain('root-credentials.json');
  });
});
