import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from '@jest/globals';

const CONFIG = `
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
subjectAltName = ${'$'}ENV::SUBJECT
`;
/** Tests that need certificates. Without openssl they are skipped, saying so; with NO_TEST_SKIP=1 they fail there. */
export function whereOpensslRuns(name: string, tests: () => void): void {
  if (process.env['NO_TEST_SKIP'] === '1' || hasOpenssl()) describe(name, tests);
  else describe.skip(`${name} (skipped: openssl is needed)`, tests);
}

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore', timeout: 20_000 });
    return true;
  } catch {
    return false;
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/**
 * A certificate authority that nobody trusts, made with openssl in a folder of its own, and certificates that it
 * signs.
 */
export function makeAuthority() {
  const folder = mkdtempSync(join(tmpdir(), 'authledger-certificates-'));
  const file = (name: string): string => join(folder, name);
  const openssl = (args: string[], subject = ''): void => {
    const env = { ...process.env, SUBJECT: subject };
    execFileSync('openssl', args, { cwd: folder, env, stdio: 'pipe', timeout: 20_000 });
  };
  writeFileSync(file('config'), CONFIG);
  const request = ['req', '-config', 'config', ...NEW_KEY];
  const ofAuthority = ['-x509', '-extensions', 'authority', '-days', '2', '-subj', '/CN=test authority'];
  openssl([...request, ...ofAuthority, '-keyout', 'ca.key', '-out', 'ca.pem'], 'DNS:none');
  return {
    file: file('ca.pem'),
    /** A server's key, and its certificate with the authority's, for a subject such as `IP:127.0.0.1`. */
    certify(subject: string): { key: Buffer; cert: Buffer } {
      openssl([...request, '-subj', '/CN=test server', '-keyout', 'key', '-out', 'request'], subject);
      const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-out', 'cert'];
      openssl(
        ['x509', '-req', '-in', 'request', '-extfile', 'config', '-extensions', 'server', ...signing],
        subject,
      );
      return {
        key: readFileSync(file('key')),
        cert: Buffer.concat([readFileSync(file('cert')), readFileSync(file('ca.pem'))]),
      };
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}
