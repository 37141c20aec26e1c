import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeAuditorsLog } from './auditorsLog.ts';
import { pageExample } from './pageExample.ts';
import { runCommand } from './runCommand.ts';
import { signedFetch } from './signed.ts';
import { startService, STATIC_CLIENTS } from './startService.ts';

const page = readFileSync(new URL('../docs/auditing.md', import.meta.url), 'utf8');
const examples = [...page.matchAll(/^```console\n\$ authledger (.*)\n([^]*?)^```$/gm)].map(
  ([, command, output]) => [command!, output!] as const,
);

/** Arguments as a shell reads them: words, some in single quotes. */
function argumentsIn(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) => (quoted ?? word)!);
}

/** Without the id of the log, which is its own, and the time at which the question was asked: now, if it names none. */
function withoutOwn(output: string): string {
  return output.replaceAll(/[0-9a-f]{12}(?=\.\d{20})/g, 'log').replaceAll(/^(as of|to) \S+ /gm, '$1 now ');
}

describe('the page on auditing', () => {
  const folder = mkdtempSync(join(tmpdir(), 'authledger-auditing-'));
  const env = { DATA_DIR: folder, STATIC_CLIENTS, LOG_LEVEL: 'warn' };
  beforeAll(() => writeAuditorsLog(env));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('answers at least five questions', () => {
    expect(examples.length).toBeGreaterThanOrEqual(5);
  });

  test.each(examples)('shows what `%s` prints', async (command, output) => {
    const printed = await runCommand(argumentsIn(command), env);
    expect({ ...printed, stdout: withoutOwn(printed.stdout) }).toEqual({
      code: 0,
      stderr: '',
      stdout: withoutOwn(output),
    });
  });

  test('has a role that lets auditors ask everything, and nothing else', async () => {
    const service = await startService();
    try {
      const { roleId, ...role } = JSON.parse(pageExample('docs/auditing.md', 'json', 'auditors')) as {
        roleId: string;
        scopes: string[];
      };
      const root = service.current();
      await root['createRole']!(roleId, role);
      const { accessToken } = (await root['createClient']!('auditor', {
        description: '',
        expires: '2099-01-01T00:00:00.000Z',
        scopes: [`assume:${roleId}`],
      })) as { accessToken: string };
      const credentials = { TASKCLUSTER_CLIENT_ID: 'auditor', TASKCLUSTER_ACCESS_TOKEN: accessToken };
      const at = new Date().toJSON();
      const commands = [
        ['explain', 'auditor', 'a', '--at', at],
        ['who-can', 'a', '--at', at],
        ['diff', at],
        ['show', 'client', 'auditor', '--at', at],
        ['show', 'role', 'auditors', '--at', at],
        ['history', '--content'],
      ];
      for (const args of commands)
        expect(await runCommand([...args, '--root-url', service.rootUrl], credentials)).toMatchObject({
          code: 0,
          stderr: '',
        });
      const auditor = { clientId: 'auditor', accessToken };
      for (const path of ['/roles/', '/clients/'])
        expect((await signedFetch(`${service.rootUrl}/api/auth/v1${path}?at=${at}`, auditor)).status).toBe(
          200,
        );
      const expansion = await signedFetch(`${service.rootUrl}/api/auth/v1/scopes/expand?at=${at}`, auditor, {
        method: 'POST',
        body: { scopes: ['a'] },
      });
      expect(expansion.status).toBe(200);
    } finally {
      await service.remove();
    }
  }, 60_000);
});
