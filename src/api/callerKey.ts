import { isIPv6, SocketAddress } from 'node:net';

/**
 * Whom a request counts for: the client whose token signed it (the issuer of temporary credentials), else the address that it came
 * from, of IPv6 the network of 64 bits, as any of its addresses is whoever's it is. Never a clientId that was only claimed: that would
 * let anybody count as somebody else. `signer` is that of a signature that was verified.
 */
export function callerKey({ signer, sourceIp }: { signer?: string; sourceIp?: string }): string {
  return signer === undefined ? `address ${networkOf(sourceIp)}` : `client ${signer}`;
}

function networkOf(address = 'unknown'): string {
  const bare = address.split('%', 1)[0]!;
  if (!isIPv6(bare)) return address;
  const canonical = new SocketAddress({ address: bare, family: 'ipv6' }).address;
  const ipv4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(canonical)?.[1];
  return ipv4 ?? `${firstGroups(canonical).join(':')}::/64`;
}

/** The first four of the eight groups of an IPv6 address. */
function firstGroups(address: string): string[] {
  const [left, right] = address.split('::') as [string, string?];
  const groups = left === '' ? [] : left.split(':');
  if (right !== undefined) {
    // An IPv4 address at the end stands for two groups.
    const after = right
      .replace(/\d+\.\d+\.\d+\.\d+$/, '0:0')
      .split(':')
      .filter(Boolean);
    groups.push(...Array.from({ length: 8 - groups.length - after.length }, () => '0'), ...after);
  }
  return groups.slice(0, 4);
}
