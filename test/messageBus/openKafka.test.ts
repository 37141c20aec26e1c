import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import pino from 'pino';
import { BusUnavailable } from '../../src/messageBus/messageBus.ts';
import { openKafka } from '../../src/messageBus/openKafka.ts';
import { makeAuthority, whereOpensslRuns } from '../certificates.ts';
import { type Listener, listenPlain, listenWithTls, unusedPort } from '../listeners.ts';

jest.setTimeout(40_000);

whereOpensslRuns('a broker that cannot be used is told of in one line', () => {
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

  async function failureAt(port: number, ssl: boolean): Promise<string> {
    const settings = { brokers: [`127.0.0.1:${port}`], ssl, sasl: undefined, topicPrefix: 'test.' };
    const connection = openKafka(settings, pino({ level: 'silent' })).connection();
    const error: unknown = await connection.open([]).catch((thrown: unknown) => thrown);
    connection.end();
    expect(error).toBeInstanceOf(BusUnavailable);
    expect((error as BusUnavailable).kind).toBe('unreachable');
    return (error as Error).message;
  }

  test('if nothing listens', async () => {
    const port = await unusedPort();
    expect(await failureAt(port, false)).toBe(`KAFKA_BROKERS: nothing listens at 127.0.0.1:${port}`);
  });

  test('if it does not speak TLS', async () => {
    expect(await failureAt(plain.port, true)).toBe(
      `KAFKA_BROKERS: 127.0.0.1:${plain.port} completes no TLS handshake: perhaps it does not speak TLS, and KAFKA_SSL is true`,
    );
  });

  test('if it speaks TLS, and KAFKA_SSL is not set', async () => {
    expect(await failureAt(secure.port, false)).toBe(
      `KAFKA_BROKERS: 127.0.0.1:${secure.port} speaks TLS, and KAFKA_SSL is not true`,
    );
  });

  test('if nobody vouches for its certificate', async () => {
    expect(await failureAt(secure.port, true)).toBe(
      `KAFKA_BROKERS: the certificate of 127.0.0.1:${secure.port} is not accepted: self-signed certificate in certificate chain`,
    );
  });
});
