import { addressBlock } from './addressBlock.ts';

/**
 * Whom a request counts for: the client whose token signed it (the issuer of temporary credentials), else the address that it came
 * from, of IPv6 the network of 64 bits, as any of its addresses is whoever's it is. Never a clientId that was only claimed: that would
 * let anybody count as somebody else. `signer` is that of a signature that was verified.
 */
export function callerKey({ signer, sourceIp = 'unknown' }: { signer?: string; sourceIp?: string }): string {
  return signer === undefined ? `address ${addressBlock(sourceIp)}` : `client ${signer}`;
}
