import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from '@jest/globals';
import { unusedPort } from '../listeners.ts';

const root = join(import.meta.dirname, '../..');
/** Two installations from npm and a build, on a slow machine. */
const PATIENCE = 20 * 60_000;
/** What a command that stays prints once it can be used. */
const IS_UP = 'serves at|keeps running at';

/** What a newcomer's terminal has: nothing of the npm and jest around this test, and no credentials. */
const terminal = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_(?!config_(registry|cafile|cache|https?_proxy)$)|TASKCLUSTER_|NODE_|JEST_|CI$)/i.test(name),
  ),
);

/** Why the examples cannot run on this machine; undefined where they can. */
function whatIsMissing(): string | undefined {
  const works = (command: string): boolean => {
    try {
      execFileSync('bash', ['-c', command], { env: terminal, stdio: 'ignore', timeout: 120_000 });
      return true;
    } catch {
      return false;
    }
  };
  if (!works('git --version && curl --version')) return 'git and curl are needed';
  if (!works('npm view taskcluster-client version')) return 'the registry of npm cannot be reached';
  if (!works('python3 -c "import ensurepip, venv"')) return 'Python with venv is needed';
  const folder = mkdtempSync(join(tmpdir(), 'authledger-pypi-'));
  const download = `python3 -m venv ${folder} && ${folder}/bin/pip download --no-deps --dest ${folder} taskcluster`;
  const isThere = works(download);
  rmSync(folder, { recursive: true, force: true });
  return isThere ? undefined : 'PyPI cannot be reached';
}

function whereExamplesRun(name: string, tests: () => void): void {
  const missing = process.env['NO_TEST_SKIP'] === '1' ? undefined : whatIsMissing();
  if (missing === undefined) describe(name, tests);
  else describe.skip(`${name} (skipped: ${missing})`, tests);
}

type Example = { language: string; code: string; line: number };

function examplesOf(page: string): Example[] {
  return [...page.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].map((match) => ({
    language: match[1]!,
    code: match[2]!,
    line: page.slice(0, match.index).split('\n').length,
  }));
}

/**
 * One script of a page's examples, as somebody types them from the top down in a terminal in the checkout; what stays, such as the
 * service, gets a terminal of its own. A program is saved under the name in its first line.
 */
function scriptOf(examples: Example[]): string {
  const steps = examples.map(({ language, code, line }) => {
    const begin = `echo "== line ${line}"`;
    const [, file] = /^(?:\/\/|#) (\S+)\n/.exec(code) ?? [];
    if (language === 'js' || language === 'python') {
      if (file === undefined) throw new Error(`line ${line}: the first line must name the file`);
      return `${begin}\ncat > ${file} <<'END OF FILE'\n${code}END OF FILE`;
    }
    if (!/npm (start|run demo)\n$/.test(code)) return `${begin}\n${code}`;
    const output = `"$OUTPUTS/${line}"`;
    return `${begin}
(set -e; cd "$CHECKOUT"; ${code}) > ${output} 2>&1 &
until grep -qE '${IS_UP}' ${output}; do
  kill -0 $! 2> /dev/null || { cat ${output}; exit 1; }
  sleep 0.2
done`;
  });
  return ['set -e', ...steps, ''].join('\n');
}

/** Ends a terminal with all that runs in it, and waits until it is gone. */
async function endAll(group: number): Promise<void> {
  const signal = (name: NodeJS.Signals | 0): boolean => {
    try {
      return process.kill(-group, name);
    } catch {
      return false;
    }
  };
  signal('SIGTERM');
  const end = Date.now() + 30_000;
  while (signal(0) && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 100));
  signal('SIGKILL');
}

/** Runs all examples of a page in a fresh clone of this checkout, as it is committed. */
async function runExamples(path: string): Promise<{ code: number | null; output: string; ran: Example[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'authledger-examples-'));
  const checkout = join(folder, 'authledger');
  const port = await unusedPort();
  execFileSync('git', ['clone', '--quiet', root, checkout], { env: terminal });
  const page = readFileSync(join(checkout, path), 'utf8');
  // The tests are run by .ci/run with this very line, which the last test here looks for.
  const ran = examplesOf(page).filter(
    ({ language, code }) => ['sh', 'js', 'python'].includes(language) && code !== TESTS,
  );
  // The port is all that is changed, as 8080 may be taken.
  const script = scriptOf(ran).replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`);
  const shell = spawn('bash', ['-c', script], {
    cwd: checkout,
    env: { ...terminal, PORT: `${port}`, CHECKOUT: checkout, OUTPUTS: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  try {
    const outputs = Promise.all([text(shell.stdout), text(shell.stderr)]);
    const [code] = (await once(shell, 'exit')) as [number | null];
    await endAll(shell.pid!);
    return { code, output: (await outputs).join('\n'), ran };
  } finally {
    await endAll(shell.pid!);
    rmSync(folder, { recursive: true, force: true });
  }
}

const TESTS = 'npm ci && npm test\n';

whereExamplesRun('in a fresh clone, every example runs as written', () => {
  test(
    'of the README',
    async () => {
      const { code, output, ran } = await runExamples('README.md');
      expect({ code, output }).toEqual({ code: 0, output: expect.anything() });
      expect(ran.map(({ language }) => language)).toEqual(expect.arrayContaining(['sh', 'js', 'python']));
      expect(output).toMatch(/^\S{44} \[ 'assume:team:developers', 'queue:list-task:\*' \]$/m);
      expect(output).toMatch(/^\S{44} \['assume:team:readers', 'queue:get-artifact:public\/\*'\]$/m);
    },
    PATIENCE,
  );

  test(
    'of docs/getting-started.md',
    async () => {
      const { code, output } = await runExamples('docs/getting-started.md');
      expect({ code, output }).toEqual({ code: 0, output: expect.anything() });
      expect(output).toMatch(/"alive":true/);
      expect(output).toMatch(/builds\/linux may do: \[\s+'assume:team:builders',/);
      expect(output).toMatch(/status: 'auth-success',[^]*status: 'auth-failed'/);
      expect(output).toMatch(/Z created by static\/taskcluster\/root\n.*Z client disabled by static/);
      expect(output).toMatch(/^builds\/linux is enabled again$/m);
      expect(output).toMatch(/ClientCreated client\/builds\/linux [^]*ClientDisabled [^]*ClientEnabled /);
    },
    PATIENCE,
  );
});

test("the README's way to run the tests is what CI runs", () => {
  const commands = examplesOf(readFileSync(join(root, 'README.md'), 'utf8')).map(({ code }) => code);
  expect(commands).toContain(TESTS);
  expect(readFileSync(join(root, '.ci/run'), 'utf8')).toContain(`bash -c '${TESTS.trim()}'`);
});

test('what is not run says so by its language', () => {
  for (const page of ['README.md', 'docs/getting-started.md']) {
    const languages = examplesOf(readFileSync(join(root, page), 'utf8')).map(({ language }) => language);
    const known = ['sh', 'js', 'python', 'json', 'mermaid', 'text'];
    expect({ page, unknown: languages.filter((language) => !known.includes(language)) }).toEqual({
      page,
      unknown: [],
    });
  }
});
