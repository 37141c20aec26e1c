import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import pino from 'pino';
import { describeFailure } from '../../src/cli/failure.ts';
import { openMongo } from '../../src/storage/openMongo.ts';
import { StoreUnavailable } from '../../src/storage/storeErrors.ts';
import { makeAuthority, whereOpensslRuns } from '../certificates.ts';
import { type Listener, listenPlain, listenWithTls, unusedPort } from '../listeners.ts';
import { startMongoDouble } from '../mongoDouble.ts';

jest.setTimeout(30_000);

const PASSWORD = 'a-secret-password';
const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => new Error('it did not fail'),
    (error: Error) => error,
  );

async function failureOfStart(port: number, options = '', user = ''): Promise<string> {
  const error = await failure(openMongo(`mongodb://${user}127.0.0.1:${port}/${options}`, ''));
  expect(error).toBeInstanceOf(StoreUnavailable);
  expect(JSON.stringify({ ...error }) + error.stack).not.toContain(PASSWORD);
  return describeFailure(error);
}

whereOpensslRuns('a start without MongoDB says in one line what to change', () => {
  let authority: ReturnType<typeof makeAuthority>;
  let secure: Listener;
  let plain: Listener;
  beforeAll(async () => {
    authority = makeAuthority();
    secure = await listenWithTls(authority.certify('IP:127.0.0.1'));
    plain = await listenPlain((socket) => socket.destroy());
  });
  afterAll(() => {
    secure.close();
    plain.close();
    authority.remove();
  });

  test('if nothing listens', async () => {
    const port = await unusedPort();
    expect(await failureOfStart(port)).toBe(
      `authledger: READ_STORE_URL: nothing listens at 127.0.0.1:${port}`,
    );
  });

  test('if the server does not speak TLS', async () => {
    expect(await failureOfStart(plain.port, '?tls=true')).toBe(
      `authledger: READ_STORE_URL: 127.0.0.1:${plain.port} completes no TLS handshake: perhaps it does not speak TLS, and the address asks for it with tls=true`,
    );
  });

  test('if the server speaks TLS, and the address does not say so', async () => {
    expect(await failureOfStart(secure.port)).toBe(
      `authledger: READ_STORE_URL: 127.0.0.1:${secure.port} speaks TLS, and the address does not ask for it with tls=true`,
    );
  });

  test('if nobody vouches for the certificate', async () => {
    expect(await failureOfStart(secure.port, '?tls=true')).toBe(
      `authledger: READ_STORE_URL: the certificate of 127.0.0.1:${secure.port} is not accepted: self-signed certificate in certificate chain`,
    );
  });

  test('if the file with the authority does not exist', async () => {
    expect(await failureOfStart(secure.port, '?tls=true&tlsCAFile=%2Fno%2Fsuch.pem')).toMatch(
      /^authledger: READ_STORE_URL: .*no such file or directory, open '\/no\/such\.pem'$/,
    );
  });

  test('if the user is refused', async () => {
    const errmsg = 'Authentication failed.';
    const double = await startMongoDouble(() => ({
      ok: 0,
      code: 18,
      codeName: 'AuthenticationFailed',
      errmsg,
    }));
    expect(await failureOfStart(double.port, '', `app:${PASSWORD}@`)).toBe(
      'authledger: READ_STORE_URL: the user was refused (Authentication failed.)',
    );
    double.close();
  });
});

describe('MongoDB in use', () => {
  const lines: { msg: string; err?: { message: string } }[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });

  test('that refuses a right is unavailable, and the words do not show what was to be written', async () => {
    const errmsg =
      'not authorized on app to execute command { update: "t", updates: [ "what was written" ] }';
    const double = await startMongoDouble((command) =>
      command === 'update' ? { ok: 0, code: 13, codeName: 'Unauthorized', errmsg } : { ok: 1 },
    );
    const mongo = await openMongo(`mongodb://127.0.0.1:${double.port}/app`, '');
    const error = await failure(mongo.probe());
    expect(error).toBeInstanceOf(StoreUnavailable);
    expect(error.message).toBe('READ_STORE_URL: the user may not use the database app');
    await mongo.close();
    double.close();
  });

  test('that is away tells once that nothing listens', async () => {
    const double = await startMongoDouble(() => ({ ok: 1, n: 1, nModified: 1 }));
    const { port } = double;
    const mongo = await openMongo(`mongodb://127.0.0.1:${port}/app`, '', log);
    await mongo.probe();
    double.close();
    const message = `READ_STORE_URL: nothing listens at 127.0.0.1:${port}`;
    for (const error of await Promise.all([mongo.probe(), mongo.probe()].map(failure)))
      expect(error).toMatchObject({ message });
    expect(lines.map(({ msg, err }) => [msg, err?.message])).toEqual([
      ['MongoDB cannot be used: trying again until it works', message],
    ]);
    await mongo.close();
  });
});
