import { isIPv6 } from 'node:net';

/** An IPv6 literal without the brackets that it has in a URL; undefined for any other host. */
export function bareIpv6(host: string): string | undefined {
  if (!host.includes(':')) return undefined;
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  return isIPv6(bare) ? bare : undefined;
}
