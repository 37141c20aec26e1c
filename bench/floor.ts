import { createServer } from 'node:http';
import hawk from 'hawk';

type Signed = { method: string; resource: string; host: string; port: number; authorization: string };

/**
 * Floor A: the least that a server which judges Hawk signatures with the hawk library can do: read the JSON body, look up
 * credentials in a Map, and reply with the same fields. Its client and reply come as JSON in the first argument.
 */
const { clientId, accessToken, scopes, expires } = JSON.parse(process.argv[2]!) as Record<string, string>;
const credentials = new Map([[clientId!, { key: accessToken!, algorithm: 'sha256' as const }]]);

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { method, resource, host, port, authorization } = JSON.parse(
      Buffer.concat(chunks).toString(),
    ) as Signed;
    const signed = { method: method.toUpperCase(), url: resource, host, port, authorization };
    hawk.server
      .authenticate(signed, async (id) => credentials.get(id)!, { timestampSkewSec: 900 })
      .then(() => {
        const text = JSON.stringify({ status: 'auth-success', scheme: 'hawk', clientId, scopes, expires });
        response.writeHead(200, {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
        });
        response.end(text);
      })
      .catch(() => response.writeHead(500).end());
  });
});
server.listen(0, '127.0.0.1', () =>
  console.log(`"rootUrl":"http://127.0.0.1:${(server.address() as { port: number }).port}" "msg":"serving"`),
);
