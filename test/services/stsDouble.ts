import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** A request to STS, with its signer and region. */
export type Asked = {
  method: string;
  path: string;
  signer: string;
  region: string;
  /** The form of the request, without the policy. */
  form: Record<string, string>;
  policy: unknown;
};

export type StsReply = { status: number; body: string };

/**
 * A server that records requests and replies as a test says, after a delay (ms); undefined: it leaves the request open.
 */
export async function startStsDouble(reply: (asked: Asked) => StsReply | undefined, delay = 0) {
  const asked: Asked[] = [];
  /** Resolves when a caller has given up on a request that was left open. */
  let toldOfLeaving: () => void;
  const leaving = new Promise<void>((resolve) => (toldOfLeaving = resolve));
  const server = createServer((request, response) => {
    response.once('close', () => response.writableEnded || toldOfLeaving());
    void text(request).then((body) => {
      const { Policy: policy, ...form } = Object.fromEntries(new URLSearchParams(body));
      const [, signer, region] = /Credential=([^/]*)\/\d+\/([^/]*)\/sts\/aws4_request/.exec(
        request.headers.authorization ?? '',
      )!;
      const { method, url: path } = request as { method: string; url: string };
      asked.push({ method, path, signer: signer!, region: region!, form, policy: JSON.parse(policy!) });
      const answer = reply(asked.at(-1)!);
      const send = () => response.writeHead(answer!.status, { 'content-type': 'text/xml' }).end(answer!.body);
      if (answer && delay > 0) setTimeout(send, delay);
      else if (answer) send();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    leaving,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** The reply of GetFederationToken, according to the reference of STS. */
export function federationToken(secret: string, expires: Date): StsReply {
  return {
    status: 200,
    body: `<GetFederationTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetFederationTokenResult>
<Credentials><AccessKeyId>ASIAGIVEN</AccessKeyId><SecretAccessKey>${secret}</SecretAccessKey><SessionToken>session/${secret}+==</SessionToken>
<Expiration>${expires.toJSON()}</Expiration></Credentials>
<FederatedUser><Arn>arn:aws:sts::123456789012:federated-user/x</Arn><FederatedUserId>123456789012:x</FederatedUserId></FederatedUser>
<PackedPolicySize>6</PackedPolicySize></GetFederationTokenResult>
<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetFederationTokenResponse>`,
  };
}

/** An error of STS, according to its reference. */
export function stsError(status: number, code: string, message: string): StsReply {
  return {
    status,
    body: `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code>
<Message>${message}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>`,
  };
}
