import { signedCall, type Signer } from './calls.ts';
import { open } from './load.ts';

/**
 * Lists all clients once, from a process of its own: the port and who signs are its arguments. It stands for a program on another
 * machine, so it takes little of this one: of a page, it looks for where the next one begins.
 */
const [, , port, signer] = process.argv;
const connection = await open(Number(port));
let next = '';
do {
  const route = `/clients/?limit=1000${next}`;
  const call = signedCall(JSON.parse(signer!) as Signer, Number(port), { method: 'GET', route });
  const { status, body } = await connection.send(call);
  if (status !== 200) throw new Error(`listClients: ${status} ${body()}`);
  const [, token] = /"continuationToken":"([^"]+)"\}$/.exec(body().slice(-200)) ?? [];
  next = token === undefined ? '' : `&continuationToken=${token}`;
} while (next !== '');
connection.close();
