import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import pino from 'pino';
import { describeFailure } from '../../src/cli/failure.ts';
import type { EventStore } from '../../src/eventStore/eventStore.ts';
import { kurrentEventStore } from '../../src/eventStore/kurrentEventStore.ts';
import { openKurrent } from '../../src/eventStore/openKurrent.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { OutcomeUnknown, StoreUnavailable } from '../../src/storage/storeErrors.ts';
import { event, metadata } from '../contracts/eventStore.ts';
import type { Access } from '../kurrentDouble/access.ts';
import { makeAuthority, whereOpensslRuns } from '../certificates.ts';
import { startCuttableProxy } from '../kurrentDouble/cuttableProxy.ts';
import {
  type DoubleOptions,
  type KurrentDouble,
  startKurrentDouble,
} from '../kurrentDouble/kurrentDouble.ts';
import { unusedPort } from '../listeners.ts';
import { sharedStores } from '../sharedStores.ts';
import { signedFetch } from '../signed.ts';
import { ROOT } from '../startService.ts';

jest.setTimeout(30_000);

const PASSWORD = 'a-secret-password';
const WRONG = 'a-wrong-password';

let authority: ReturnType<typeof makeAuthority>;
let tls: { key: Buffer; cert: Buffer };
let access: Access;
let lines: { level: number; msg: string; err?: { message: string } }[];
const opened: { close(): unknown }[] = [];
beforeAll(() => {
  authority = makeAuthority();
  tls = authority.certify('IP:127.0.0.1');
});
afterAll(() => authority.remove());
beforeEach(() => {
  access = { passwords: { app: PASSWORD }, denied: {} };
  lines = [];
});
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

async function startDouble(options: DoubleOptions): Promise<KurrentDouble> {
  const double = await startKurrentDouble(options);
  opened.push(double);
  return double;
}

async function open(url: string): Promise<EventStore> {
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const kurrent = openKurrent(url, log);
  opened.push(kurrent);
  return kurrentEventStore({ kurrent, validate: validateEvent, prefix: 'test.', patience: 500 });
}

/** What the terminal shows of a start that needs the log, and its head. */
async function failureOfStart(url: string): Promise<string> {
  try {
    await (await open(url)).head();
    return 'it started';
  } catch (error) {
    expect(error).toBeInstanceOf(StoreUnavailable);
    return describeFailure(error);
  }
}

const urlOf = (port: number, { user = `app:${PASSWORD}@`, ca = true, options = '' } = {}): string =>
  `kurrentdb://${user}127.0.0.1:${port}?${ca ? `tlsCAFile=${encodeURIComponent(authority.file)}` : 'tls=true'}${options}`;
const append = (store: EventStore) =>
  store.append([{ stream: 's', expectedRevision: 'any', events: [event()] }], metadata);
const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => new Error('it did not fail'),
    (error: Error) => error,
  );
const logged = () => lines.map(({ msg, err }) => [msg, err?.message]);

whereOpensslRuns('a start that fails says in one line what to change', () => {
  const startAt = async (options: DoubleOptions, address: Parameters<typeof urlOf>[1] = {}) =>
    failureOfStart(urlOf((await startDouble({ ...options, access })).port, address));

  test('if nothing listens', async () => {
    const port = await unusedPort();
    expect(await failureOfStart(urlOf(port))).toBe(
      `authledger: EVENT_STORE_URL: nothing listens at 127.0.0.1:${port}`,
    );
  });

  test('if the server does not speak TLS', async () => {
    expect(await startAt({}, { ca: false })).toMatch(
      /^authledger: EVENT_STORE_URL: 127\.0\.0\.1:\d+ does not speak TLS, and the address does not say tls=false$/,
    );
  });

  test('if the server speaks TLS, and the address says that it does not', async () => {
    const { port } = await startDouble({ tls });
    expect(await failureOfStart(`kurrentdb://127.0.0.1:${port}?tls=false`)).toBe(
      `authledger: EVENT_STORE_URL: 127.0.0.1:${port} speaks TLS, and the address says tls=false`,
    );
  });

  test('if nobody vouches for the certificate', async () => {
    expect(await startAt({ tls }, { ca: false })).toMatch(
      /^authledger: EVENT_STORE_URL: the certificate of 127\.0\.0\.1:\d+ is not accepted: self-signed certificate in certificate chain$/,
    );
  });

  test('if the certificate is another host’s', async () => {
    expect(await startAt({ tls: authority.certify('DNS:db.example.com') })).toMatch(
      /^authledger: EVENT_STORE_URL: the certificate of .* is not accepted: Hostname\/IP does not match certificate's altnames: .*$/,
    );
  });

  test('if the password is wrong', async () => {
    expect(await startAt({ tls }, { user: `app:${WRONG}@` })).toBe(
      'authledger: EVENT_STORE_URL: the user was refused: check user and password',
    );
  });

  test('if there is no user, and one is needed', async () => {
    expect(await startAt({ tls }, { user: '' })).toBe(
      'authledger: EVENT_STORE_URL: callers without a user are refused, and the address has none',
    );
  });

  test('if the user may not read $all', async () => {
    access.denied['app'] = ['read $all'];
    expect(await startAt({ tls })).toBe('authledger: EVENT_STORE_URL: the user may not read $all');
  });

  test('if the user may not append', async () => {
    access.denied['app'] = ['append'];
    expect(await startAt({ tls })).toBe('authledger: EVENT_STORE_URL: the user may not append');
  });

  test('and logs nothing, because nothing is tried again', async () => {
    access.denied['app'] = ['read $all'];
    await startAt({ tls });
    expect(lines).toEqual([]);
  });

  test('but starts if all is well', async () => {
    expect(await startAt({ tls })).toBe('it started');
    expect(await startAt({ tls }, { ca: false, options: '&tlsVerifyCert=false' })).toBe('it started');
  });
});

whereOpensslRuns('a log in use', () => {
  let double: KurrentDouble;
  let store: EventStore;
  beforeEach(async () => {
    double = await startDouble({ tls, access });
    store = await open(urlOf(double.port));
    await append(store);
    await store.head();
  });

  test('whose user is refused from now on is unavailable, and tells why once until that is over', async () => {
    access.passwords['app'] = 'another';
    for (let i = 0; i < 3; i += 1)
      for (const call of [store.head(), store.read('s'), append(store)])
        expect(await failure(call)).toMatchObject({
          message: 'EVENT_STORE_URL: the user was refused: check user and password',
        });
    expect(await failure(append(store))).toBeInstanceOf(StoreUnavailable);
    access.passwords['app'] = PASSWORD;
    await store.head();
    await append(store);
    const message = 'EVENT_STORE_URL: the user was refused: check user and password';
    expect(logged()).toEqual([
      ['KurrentDB refuses the user: trying again until it works', message],
      ['KurrentDB refuses the user: it works again', undefined],
    ]);
  });

  test('that may not be read as a whole any more tells so once, while streams are read', async () => {
    access.denied['app'] = ['read $all'];
    for (let i = 0; i < 3; i += 1) {
      expect((await failure(store.head())).message).toBe('EVENT_STORE_URL: the user may not read $all');
      await store.read('s');
    }
    access.denied['app'] = [];
    await store.head();
    expect(logged()).toEqual([
      [
        'KurrentDB refuses to show its log: trying again until it works',
        'EVENT_STORE_URL: the user may not read $all',
      ],
      ['KurrentDB refuses to show its log: it works again', undefined],
    ]);
  });

  test('that may not be appended to any more has not been changed, in one stream or several', async () => {
    access.denied['app'] = ['append'];
    const writes = ['s', 't'].map((stream) => ({
      stream,
      expectedRevision: 'any' as const,
      events: [event()],
    }));
    for (const call of [append(store), store.append(writes, metadata)]) {
      const error = await failure(call);
      expect(error).toBeInstanceOf(StoreUnavailable);
      expect(error.message).toBe('EVENT_STORE_URL: the user may not append');
    }
    expect(double.log.streamOf('test.s')).toHaveLength(1);
    expect(double.log.streamOf('test.t')).toHaveLength(0);
  });

  test('that refuses the user after an append without an answer does not say that nothing happened', async () => {
    const proxy = await startCuttableProxy(double.port);
    opened.push(proxy);
    const behind = await open(urlOf(proxy.port));
    double.faults.beforeReply = () => {
      double.faults.beforeReply = undefined;
      access.passwords['app'] = 'another';
      proxy.cut();
    };
    expect(await failure(append(behind))).toBeInstanceOf(OutcomeUnknown);
  });

  test('is followed on once its user may read it again', async () => {
    const done = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      for await (const { events } of store.subscribe({ signal: done.signal })) {
        seen.push(...events.map(({ id }) => id));
        if (seen.length === 2) done.abort();
      }
    })();
    while (seen.length === 0) await sleep(10);
    const proxyless = double.log.streamOf('test.s')[0]!;
    access.denied['app'] = ['read $all'];
    await failure(store.head());
    double.log.append([
      {
        stream: 'test.s',
        expected: 0,
        events: [{ ...proxyless, id: '00000000-0000-4000-8000-000000000001' }],
      },
    ]);
    access.denied['app'] = [];
    await following;
    expect(seen.at(-1)).toBe('00000000-0000-4000-8000-000000000001');
  });

  test('shows its password in no error and no line', async () => {
    access.passwords['app'] = 'another';
    const error = await failure(store.head());
    const shown =
      JSON.stringify([error, lines]) + error.stack + String(error.cause) + JSON.stringify(error.cause);
    expect(shown).not.toContain(PASSWORD);
    expect(shown).not.toContain(Buffer.from(`app:${PASSWORD}`).toString('base64'));
  });

  test('that is away tells once that nothing listens, and then that it works again', async () => {
    const { port } = double;
    double.close();
    const calls = [store.head(), store.read('s'), append(store)];
    for (const error of await Promise.all(calls.map(failure)))
      expect(error).toMatchObject({ message: `EVENT_STORE_URL: nothing listens at 127.0.0.1:${port}` });
    await startDouble({ tls, access, port });
    await append(store);
    expect(logged()).toEqual([
      [
        'KurrentDB cannot be used: trying again until it works',
        `EVENT_STORE_URL: nothing listens at 127.0.0.1:${port}`,
      ],
      ['KurrentDB cannot be used: it works again', undefined],
    ]);
  });

  test('that is away, and refuses the user once it is back, tells both', async () => {
    const { port } = double;
    double.close();
    await failure(store.head());
    access.passwords['app'] = 'another';
    await startDouble({ tls, access, port });
    expect((await failure(store.head())).message).toBe(
      'EVENT_STORE_URL: the user was refused: check user and password',
    );
    expect(logged().map(([line]) => line)).toEqual([
      'KurrentDB cannot be used: trying again until it works',
      'KurrentDB cannot be used: it works again',
      'KurrentDB refuses the user: trying again until it works',
    ]);
  });

  test('that is closed during a call reports no outage', async () => {
    double.close();
    const failing = failure(store.head());
    await store.close();
    expect(await failing).toBeInstanceOf(StoreUnavailable);
    expect(lines).toEqual([]);
  });

  test('that refuses changes makes them 503, which say nothing of the cause to callers', async () => {
    const { startNode } = sharedStores(undefined, store);
    const node = await startNode();
    access.denied['app'] = ['append'];
    const reply = await signedFetch(`${node.rootUrl}/api/auth/v1/roles/a-role`, ROOT, {
      method: 'PUT',
      body: { description: '', scopes: [] },
    });
    expect(reply).toMatchObject({ status: 503, body: { code: 'ServiceUnavailable' } });
    expect(JSON.stringify(reply.body)).not.toMatch(/EVENT_STORE_URL|append/);
    expect(node.logged()).toContain('EVENT_STORE_URL: the user may not append');
    access.denied['app'] = [];
    await node.stop();
  });

  test('that may not be read any more makes a node answer 503, which it logs once', async () => {
    const { startNode } = sharedStores(undefined, store);
    const node = await startNode();
    access.denied['app'] = ['read $all'];
    const ask = () => signedFetch(`${node.rootUrl}/api/auth/v1/scopes/current`, ROOT);
    let reply = await ask();
    while (reply.status === 200) {
      await sleep(50);
      reply = await ask();
    }
    expect(reply).toMatchObject({ status: 503, body: { code: 'ServiceUnavailable' } });
    const proofs = node
      .logged()
      .split('\n')
      .filter((line) => line.includes('could not prove that it has everything'));
    expect(proofs).toHaveLength(1);
    expect(proofs[0]).toContain('EVENT_STORE_URL: the user may not read $all');
    access.denied['app'] = [];
    await node.stop();
  });
});
