import { addressBlock } from './addressBlock.ts';

/**
 * The key under which a request counts toward limits. It is the client whose token signed the request (for temporary
 * credentials, their issuer), else the block of its source address. `signer` must come from a verified signature: a
 * clientId that is only claimed would let anybody use up the quota of somebody else.
 */
export function callerKey({ signer, sourceIp = 'unknown' }: { signer?: string; sourceIp?: string }): string {
  return signer === undefined ? `address ${addressBlock(sourceIp)}` : `client ${signer}`;
}
