import { type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { authorizationFor } from '../signed.ts';
import { end, startServer } from '../runCommand.ts';
import { ROOT, STATIC_CLIENTS } from '../startService.ts';

/** Between two requests of the second caller (ms). */
const PAUSE = 5;

export type Attacked = Awaited<ReturnType<typeof startAttacked>>;

/** A service of its own process, with a second caller who has authenticateHawk judge one signature after the other. */
export async function startAttacked(env: Record<string, string> = {}) {
  const dataDir = await mkdtemp(join(tmpdir(), 'authledger-adversary-'));
  const { child, rootUrl, output } = await startServer({ DATA_DIR: dataDir, STATIC_CLIENTS, ...env });
  const answers = new Map<string, number>();
  let isOver = false;
  const calling = callOnAndOn();

  async function callOnAndOn(): Promise<void> {
    const asked = { method: 'get', resource: '/', host: 'service.example', port: 443 };
    while (!isOver) {
      const authorization = authorizationFor('https://service.example/', 'GET', ROOT);
      const answer = await fetch(`${rootUrl}/api/auth/v1/authenticate-hawk`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...asked, authorization }),
        signal: AbortSignal.timeout(30_000),
      }).then(
        async (reply) =>
          reply.ok ? ((await reply.json()) as { status: string }).status : String(reply.status),
        (error: Error) => error.name,
      );
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
      await sleep(PAUSE);
    }
  }

  return {
    rootUrl,
    dataDir,
    root: ROOT,
    /** Everything that the process printed. */
    output,
    child,
    /** How many answers of each kind the second caller has got so far: all should be `auth-success`. */
    answers: (): Record<string, number> => Object.fromEntries(answers),
    /** Bytes that the process has in memory. */
    residentBytes: (): Promise<number> => residentBytes(child),
    /** Ends the second caller and the service, and removes its data. */
    async stop(): Promise<void> {
      isOver = true;
      await calling;
      await end(child);
      await rm(dataDir, { recursive: true });
    },
  };
}

async function residentBytes({ pid }: ChildProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return 1024 * Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]);
}
