import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { diagnoseConnection } from '../../src/storage/diagnoseConnection.ts';
import { makeAuthority, whereOpensslRuns } from '../certificates.ts';
import { type Listener, listenPlain, listenWithTls, unusedPort } from '../listeners.ts';

const HOST = '127.0.0.1';

whereOpensslRuns('the diagnosis of a connection', () => {
  const listeners: Listener[] = [];
  let authority: ReturnType<typeof makeAuthority>;
  let plain: number;
  let closing: number;
  let secure: number;
  let foreign: number;
  const portOf = async (listener: Promise<Listener>): Promise<number> => {
    listeners.push(await listener);
    return listeners.at(-1)!.port;
  };
  beforeAll(async () => {
    authority = makeAuthority();
    plain = await portOf(listenPlain((socket) => socket.write('-ERR this is no TLS\r\n')));
    closing = await portOf(listenPlain((socket) => socket.destroy()));
    secure = await portOf(listenWithTls(authority.certify(`IP:${HOST}`)));
    foreign = await portOf(listenWithTls(authority.certify('DNS:db.example.com')));
  });
  afterAll(() => {
    for (const listener of listeners) listener.close();
    authority.remove();
  });
  const at = (port: number) => [{ host: HOST, port }];
  const trusting = () => ({ ca: readFileSync(authority.file) });

  test('says that nothing listens, with and without TLS', async () => {
    const port = await unusedPort();
    for (const tls of [{}, undefined])
      expect(await diagnoseConnection(at(port), tls)).toEqual({
        kind: 'unreachable',
        message: `nothing listens at 127.0.0.1:${port}`,
      });
  });

  test('names a host that does not exist', async () => {
    const finding = await diagnoseConnection([{ host: 'no-such-host.invalid', port: 1 }], undefined);
    expect(finding).toMatchObject({
      kind: 'unreachable',
      message: expect.stringMatching(/^(there is no host of the name|the name) no-such-host\.invalid/),
    });
  });

  test('tells apart a server that answers in another language and one that ends the handshake', async () => {
    expect(await diagnoseConnection(at(plain), {})).toEqual({
      kind: 'plain',
      message: `127.0.0.1:${plain} does not speak TLS`,
    });
    expect(await diagnoseConnection(at(closing), {})).toEqual({
      kind: 'silent',
      message: `127.0.0.1:${closing} completes no TLS handshake: perhaps it does not speak TLS`,
    });
  });

  test('says that a server speaks TLS, to a driver that does not', async () => {
    expect(await diagnoseConnection(at(secure), undefined)).toEqual({
      kind: 'tls',
      message: `127.0.0.1:${secure} speaks TLS`,
    });
  });

  test('gives the words of the check of a certificate', async () => {
    expect(await diagnoseConnection(at(secure), {})).toEqual({
      kind: 'certificate',
      message: `the certificate of 127.0.0.1:${secure} is not accepted: self-signed certificate in certificate chain`,
    });
    const finding = await diagnoseConnection(at(foreign), trusting());
    expect(finding?.message).toContain("Hostname/IP does not match certificate's altnames");
  });

  test('finds nothing wrong with a connection as the driver needs it', async () => {
    expect(await diagnoseConnection(at(plain), undefined)).toBeUndefined();
    expect(await diagnoseConnection(at(secure), trusting())).toBeUndefined();
    expect(await diagnoseConnection(at(foreign), { rejectUnauthorized: false })).toBeUndefined();
  });

  test('of several servers tells the first with something wrong', async () => {
    const finding = await diagnoseConnection(
      [...at(plain), ...at(secure), ...at(await unusedPort())],
      undefined,
    );
    expect(finding?.message).toBe(`127.0.0.1:${secure} speaks TLS`);
  });
});
