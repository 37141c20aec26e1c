import { signedCall, type Signer } from './calls.ts';
import { once } from './load.ts';

/** Lists all clients once, from a process of its own: the port and who signs are its arguments. */
const [, , port, signer] = process.argv;
const route = '/clients/?limit=1000';
let continuationToken: string | undefined;
do {
  const from = continuationToken === undefined ? '' : `&continuationToken=${continuationToken}`;
  const call = signedCall(JSON.parse(signer!) as Signer, Number(port), {
    method: 'GET',
    route: route + from,
  });
  ({ continuationToken } = await once<{ continuationToken?: string }>(Number(port), call));
} while (continuationToken !== undefined);
