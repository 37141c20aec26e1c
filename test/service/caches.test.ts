import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from '@jest/globals';
import pino from 'pino';
import { clients } from '../../projections/clients.ts';
import { type CredentialSource, makeAuthenticate } from '../../src/authentication/authenticate.ts';
import { makeResolveSigner } from '../../src/authentication/resolveSigner.ts';
import { scopesJson } from '../../src/http/scopesJson.ts';
import { bytesInMemory } from '../../src/readSide/bytesInMemory.ts';
import { AuthenticationFailure } from '../../src/domain/errors.ts';
import { FormerRoles } from '../../src/domain/formerRoles.ts';
import type { GrantPattern } from '../../src/domain/grantPattern.ts';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { RoleIndex } from '../../src/domain/roleIndex.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { WorkBudget } from '../../src/domain/workBudget.ts';
import { openLastUsed } from '../../src/readSide/lastUsed.ts';
import { closeSqlite, openSqlite } from '../../src/storage/openSqlite.ts';
import { tableOf } from '../../src/projection.ts';
import { readModel } from '../../src/readSide/readModel.ts';
import { memoryReadStore } from '../../src/readStore/memoryReadStore.ts';
import { sqliteReadStore } from '../../src/readStore/sqliteReadStore.ts';
import { lend, signed } from '../lentCredentials.ts';
import { appendSignal } from '../../src/eventStore/appendSignal.ts';
import { makeTokenBuckets } from '../../src/http/tokenBuckets.ts';

const MB = 1_000_000;
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function bytesNow(): number {
  collectGarbage();
  // Buffers are swept beside the program: the second collection waits for the sweep of the first.
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** What stays in memory of what was done, as long as `keeper` does. */
async function bytesKept<T>(keeper: T, fill: (keeper: T) => Promise<unknown> | unknown): Promise<number> {
  const before = bytesNow();
  await fill(keeper);
  const kept = bytesNow() - before;
  // Else the keeper itself could be collected before it is measured.
  expect(keeper).toBeDefined();
  return kept;
}

/** As many different scopes as one list may well hold, as texts of their own. */
const many = (of: number | string): string[] =>
  Array.from({ length: 27_000 }, (_, i) => `${of}/${String(i).padStart(5, '0')}`);

/** Scopes expand to themselves, at once. */
const atItsOwn: Pick<CredentialSource, 'expandInSlices' | 'runSliced'> = {
  *expandInSlices(scopes) {
    return scopes;
  },
  runSliced: (_, compute) => runToCompletion(compute(new WorkBudget())),
};

test('standings keep only what they count: not the row of the client, and no more large scope sets than fit', async () => {
  const now = new Date();
  const token = 'the token of the client';
  const known: CredentialSource = {
    resolveSigner: async () => ({
      scopes: many('own'),
      expires: new Date(now.getTime() + 3_600_000),
      revision: 1,
      token,
    }),
    cachedClient: () => ({ revision: 1, scopes: [] }),
    ...atItsOwn,
    granted: function* (left) {
      return many(left[0]!);
    },
    scopesVersion: () => 1,
  };
  const kept = await bytesKept(makeAuthenticate(known), async (authenticate) => {
    for (let i = 0; i < 200; i += 1) {
      const {
        clientId,
        token: key,
        ext,
      } = lend({
        issuer: 'issuer',
        token,
        scopes: [`own/${String(i).padStart(5, '0')}`],
        from: now.getTime(),
        to: now.getTime() + 600_000,
      });
      const verdict = await authenticate(signed({ clientId, token: key, now: now.getTime(), ext }), now);
      expect(verdict.status).toBe('auth-success');
      if (verdict.status === 'auth-success') scopesJson(verdict.scopes);
    }
  });
  expect(kept).toBeLessThan(110 * MB);
});

test('small standings are counted as they are', async () => {
  const now = new Date();
  const expires = new Date(now.getTime() + 3_600_000);
  const known: CredentialSource = {
    resolveSigner: async (id) => ({ scopes: [id], expires, revision: 1, token: id }),
    cachedClient: () => ({ revision: 1, scopes: [] }),
    ...atItsOwn,
    scopesVersion: () => 1,
  };
  const kept = await bytesKept(makeAuthenticate(known), async (authenticate) => {
    for (let i = 0; i < 40_000; i += 1)
      await authenticate(signed({ clientId: `c${i}`, token: `c${i}`, now: now.getTime() }), now);
  });
  expect(kept).toBeLessThan(40_000 * 1100);
});

test('who is looked up does not keep the header that named them', async () => {
  const now = new Date();
  const lookedUp: string[] = [];
  const kept = await bytesKept(lookedUp, async () => {
    const authenticate = makeAuthenticate({
      ...atItsOwn,
      scopesVersion: () => 1,
      resolveSigner: async (clientId) => {
        lookedUp.push(clientId);
        throw new AuthenticationFailure('not found');
      },
      cachedClient: () => undefined,
    });
    const ext = { padding: 'x'.repeat(8000) };
    for (let i = 0; i < 2000; i += 1)
      await authenticate(
        signed({ clientId: `somebody-unknown/${i}`, token: 'none', now: now.getTime(), ext }),
        now,
      );
  });
  expect(lookedUp.length).toBe(2000);
  expect(kept).toBeLessThan(4 * MB);
});

test('rows that were read are kept up to a limit of memory', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'authledger-test-'));
  const db = openSqlite(join(directory, 'read.db'), { synchronous: 'NORMAL' });
  const store = sqliteReadStore({ db });
  const tiny = Array.from({ length: 100_000 }, (_, i) => i.toString(36));
  const keys = Array.from({ length: 60 }, (_, i) => `client ${i}`);
  for (const key of keys)
    await store.commit(tableOf(clients), [{ key, value: { clientId: key, scopes: tiny }, position: 'p' }]);
  const model = readModel(clients, store, { holds: () => true, untilHeld: async () => undefined });
  const kept = await bytesKept(model, async () => {
    for (const key of keys) expect(await model.get(key)).toBeDefined();
  });
  expect(kept).toBeLessThan(36 * MB);
  closeSqlite(db);
  rmSync(directory, { recursive: true });
});

test('a bucket does not keep the text that its key was cut from', async () => {
  const take = makeTokenBuckets({ quota: 10, seconds: 10 }, { maxBytes: 5 * MB });
  const kept = await bytesKept(take, () => {
    for (let i = 0; i < 4000; i += 1) {
      const header = Buffer.from(`${'x'.repeat(8000)}client ci/linux/${i}`).toString();
      take(header.slice(8000));
      take(header.slice(8000));
    }
  });
  expect(kept).toBeLessThan(4 * MB);
});

test('tokens are kept by their length', async () => {
  const client = (id: string) => ({
    clientId: id,
    expires: '2100-01-01T00:00:00.000Z',
    scopes: [],
    revision: 1,
    credential: { id },
  });
  const findSigner = makeResolveSigner({
    projector: { clients: { get: async (id: string) => client(id) } } as never,
    clientTokens: { read: async () => randomBytes(20_000).toString('hex') },
  });
  const kept = await bytesKept(findSigner, async () => {
    for (let i = 0; i < 1000; i += 1) await findSigner(`client ${i}`, new Date());
  });
  expect(kept).toBeLessThan(5 * MB);
});

test('answers of the role-expansion index are kept by what they take, with their parameters and their JSON texts', async () => {
  const graph = new RoleGraph<{ roleId: string; scopes: string[] }>();
  graph.set({ roleId: 'p*', scopes: Array.from({ length: 5000 }, (_, i) => `made/<..>/${i}`) });
  const kept = await bytesKept(graph, () => {
    for (let i = 0; i < 300; i += 1)
      scopesJson(graph.expand([`assume:p${'x'.repeat(50)}${i}`, `other/${i}`]));
  });
  // Answers, and closures.
  expect(kept).toBeLessThan((64 + 32) * 1.1 * MB);
});

test('clients that were used are kept by their number', async () => {
  const lastUsed = openLastUsed(memoryReadStore(), pino({ level: 'silent' }));
  const at = new Date();
  const kept = await bytesKept(lastUsed, async () => {
    for (let i = 0; i < 150_000; i += 1) lastUsed.touch(`${'c'.repeat(200)}${i}`, at);
    await lastUsed.close();
  });
  expect(kept).toBeLessThan(200 * MB);
});

test('whoever waits for an append that does not come leaves nothing behind', async () => {
  const { signal } = new AbortController();
  const waiters = 200;
  setMaxListeners(waiters, signal);
  const kept = await bytesKept(appendSignal(), async ({ wait }) => {
    for (let i = 0; i < 100; i += 1)
      await Promise.all(Array.from({ length: waiters }, () => wait(0, signal)));
  });
  expect(kept).toBeLessThan(8 * MB);
});

test('what a value takes in memory is never counted as less than it is', async () => {
  const values = [
    Array.from({ length: 100_000 }, (_, i) => i.toString(36)),
    Array.from({ length: 100_000 }, (_, i) => ({ id: `${i}`, on: true })),
    Array.from({ length: 5000 }, (_, i) => `é\u4e00${i}`.repeat(100)),
    Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`key ${i}`, i])),
  ];
  const texts = values.map((value) => JSON.stringify(value));
  const copies: unknown[] = [];
  for (const [i, text] of texts.entries()) {
    const kept = await bytesKept(copies, () => void copies.push(JSON.parse(text)));
    expect(kept).toBeGreaterThan(MB);
    expect(bytesInMemory(values[i])).toBeGreaterThan(0.9 * kept);
  }
});

test('roles of the past take no more than they count, however they were expanded', async () => {
  const count = 1500;
  const known = new FormerRoles();
  const ids = new RoleIndex();
  for (let i = 0; i < count; i += 1) ids.set({ roleId: `project:${i}:*`, scopes: [] });
  const kept = await bytesKept(known, () => {
    for (let i = 0; i < count; i += 1) {
      // As read from a store: texts of their own.
      const role = JSON.parse(
        JSON.stringify({
          roleId: `project:${i}:*`,
          description: '',
          created: '2026-01-01T00:00:00.000Z',
          lastModified: '2026-01-01T00:00:00.000Z',
          scopes: [
            ...Array.from({ length: 20 }, (_, j) => `queue:create-task:project-${i}/${j}/<..>`),
            ...Array.from({ length: 5 }, (_, j) => `assume:project:${(i * 7 + j) % count}:<..>`),
          ],
        }),
      ) as { roleId: string; scopes: string[] };
      known.add(role, bytesInMemory(role));
    }
    const candidates = (pattern: GrantPattern): string[] => ids.idsMatching(pattern);
    for (let i = 0; i < 20; i += 1) {
      const scopes = [`assume:project:${i}:${'x'.repeat(i)}`];
      expect(runToCompletion(known.missing(known.follow(scopes), candidates, new WorkBudget())).size).toBe(0);
      runToCompletion(known.expandInSlices(scopes, new WorkBudget()));
    }
    runToCompletion(known.expandInSlices(['assume:*'], new WorkBudget()));
  });
  expect(known.bytes).toBeGreaterThan(5 * MB);
  expect(kept).toBeLessThan(known.bytes);
});
