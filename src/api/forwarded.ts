import type { IncomingMessage } from 'node:http';
import proxyAddr from 'proxy-addr';

/** Decides whether the nth address in front of this service is a proxy that is believed. */
export type TrustProxy = (address: string, hop: number) => boolean;

/** Where a request came from, and the host, an IPv6 literal without brackets, and port it was sent to, as its signature covers them. */
export type Origin = { sourceIp: string | undefined; host: string; port: number };

/**
 * Reads the Host header, and, only from a trusted proxy, x-forwarded-for, x-forwarded-port and x-forwarded-proto.
 * Without a usable Host header the host is empty, and no signature will fit it.
 */
export function originOf(request: IncomingMessage, trust: TrustProxy): Origin {
  const remote = request.socket.remoteAddress;
  const { host, port } = readHost(request.headers.host);
  if (remote === undefined || !trust(remote, 0)) return { sourceIp: remote, host, port: port ?? 80 };
  const sourceIp = proxyAddr(request, trust);
  return { sourceIp, host, port: forwardedPort(request) ?? port ?? 80 };
}

function forwardedPort(request: IncomingMessage): number | undefined {
  const given = Number(firstOf(request.headers['x-forwarded-port']));
  if (Number.isInteger(given) && given > 0 && given < 65536) return given;
  return firstOf(request.headers['x-forwarded-proto']) === 'https' ? 443 : undefined;
}

function firstOf(header: string | string[] | undefined): string | undefined {
  return (Array.isArray(header) ? header[0] : header)?.split(',')[0]!.trim();
}

function readHost(header: string | undefined): { host: string; port?: number } {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^:/?#@\\\s]+))(?::(\d{1,5}))?$/.exec(header ?? '');
  if (!parts) return { host: '' };
  const [, ipv6, name, port] = parts;
  return { host: (ipv6 ?? name)!.toLowerCase(), port: port === undefined ? undefined : Number(port) };
}

/** The decision that a TRUST_PROXY setting stands for: nobody, everybody, so many hops, or a list of addresses. */
export function trustFunction(setting: boolean | number | string[]): TrustProxy {
  if (typeof setting === 'boolean') return () => setting;
  if (typeof setting === 'number') return (_, hop) => hop < setting;
  return proxyAddr.compile(setting);
}
