import { isIPv6 } from 'node:net';

/** A host as hosts are compared: in lower case, without a port, and an IPv6 literal without brackets. Undefined where it is none. */
export function normalizedHost(text: string): string | undefined {
  const host = text.toLowerCase();
  const [, ipv6, name] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/.exec(host) ?? [];
  return ipv6 ?? name ?? (isIPv6(host) ? host : undefined);
}
