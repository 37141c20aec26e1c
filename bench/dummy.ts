import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server that reads whatever it is sent and has nothing to do: what hostile input costs a machine by its bytes alone. */
const server = createServer((request, response) => {
  request.resume().on('end', () => response.writeHead(204).end());
});
server.listen(0, '127.0.0.1', () =>
  console.log(`"rootUrl":"http://127.0.0.1:${(server.address() as AddressInfo).port}" "msg":"serving"`),
);
