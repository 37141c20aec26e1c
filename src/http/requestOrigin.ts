import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import proxyAddr from 'proxy-addr';

/** Whether an address is a trusted proxy. `hop` is its distance from this service, from 0. */
export type TrustProxy = (address: string, hop: number) => boolean;

/** The source of a request, and the host (IPv6 literals without brackets) and port that its signature covers. */
export type Origin = { sourceIp: string | undefined; host: string; port: number };

/**
 * Reads the Host header, and, only from a trusted proxy, x-forwarded-for, -host, -port and -proto. Each proxy appends a
 * value. Behind k trusted proxies, the kth value from the right counts, which the outermost one wrote; the caller may
 * have forged the values to its left. If no host is valid, it is empty, so that no signature matches. The source is an
 * address or undefined.
 */
export function requestOrigin(request: IncomingMessage, trust: TrustProxy): Origin {
  const remote = request.socket.remoteAddress;
  const { headers } = request;
  const own = parseHost(headers.host);
  if (remote === undefined || !trust(remote, 0))
    return { sourceIp: remote, host: own.host, port: own.port ?? 80 };
  const forwardedFor = listValues(headers['x-forwarded-for']);
  const hops = [remote, ...forwardedFor.toReversed().map((value) => parseAddress(value) ?? '')];
  const trustedValue = (name: string): string | undefined => {
    const values = listValues(headers[name]);
    let k = 1;
    while (k < values.length && trust(hops[k] ?? '', k)) k += 1;
    return values.at(-k);
  };
  const source = trustedValue('x-forwarded-for');
  const host = trustedValue('x-forwarded-host');
  const forwarded = host === undefined ? undefined : parseHost(host);
  const isHttps = trustedValue('x-forwarded-proto') === 'https';
  return {
    sourceIp: source === undefined ? remote : parseAddress(source),
    host: (forwarded ?? own).host,
    port:
      parsePort(trustedValue('x-forwarded-port')) ??
      forwarded?.port ??
      (isHttps ? 443 : undefined) ??
      own.port ??
      80,
  };
}

function listValues(header: string | string[] | undefined): string[] {
  const text = Array.isArray(header) ? header.join() : header;
  const values = text?.split(',').map((value) => value.trim());
  return values?.filter((value) => value !== '') ?? [];
}

function parsePort(text: string | undefined): number | undefined {
  const port = Number(text);
  return Number.isInteger(port) && port > 0 && port < 65536 ? port : undefined;
}

/** The address in a text, without the port that some proxies add; undefined if it is none. */
function parseAddress(text: string): string | undefined {
  const [, ipv6, ipv4] = /^\[([0-9a-fA-F:.]+)\](?::\d{1,5})?$|^([0-9.]+):\d{1,5}$/.exec(text) ?? [];
  const address = ipv6 ?? ipv4 ?? text;
  // A zone is rejected, because it may be of any length.
  return isIP(address) && !address.includes('%') ? address : undefined;
}

function parseHost(header: string | undefined): { host: string; port?: number } {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^:/?#@\\\s]+))(?::(\d{1,5}))?$/.exec(header ?? '');
  if (!parts) return { host: '' };
  const [, ipv6, name, port] = parts;
  return { host: (ipv6 ?? name)!.toLowerCase(), port: port === undefined ? undefined : Number(port) };
}

/** Makes the function for a TRUST_PROXY setting: no proxy, every proxy, a number of hops, or a list of addresses. */
export function makeTrustProxy(setting: boolean | number | string[]): TrustProxy {
  if (typeof setting === 'boolean') return () => setting;
  if (typeof setting === 'number') return (_, hop) => hop < setting;
  return proxyAddr.compile(setting);
}
