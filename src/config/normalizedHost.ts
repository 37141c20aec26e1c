import { isIPv6 } from 'node:net';

/**
 * A host in the form used for comparison: in lower case, without a port, IPv6 without brackets. Undefined if it is not
 * a host.
 */
export function normalizedHost(text: string): string | undefined {
  const host = text.toLowerCase();
  const [, ipv6, name] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/.exec(host) ?? [];
  return ipv6 ?? name ?? (isIPv6(host) ? host : undefined);
}
