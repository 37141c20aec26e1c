import { resolve } from 'node:path';
import proxyAddr from 'proxy-addr';
import type { Quota } from './rateLimits.ts';
import { normalizedHost } from './normalizedHost.ts';
import { quoted, invalid } from './configError.ts';

const MIN_BODY_BYTES = 1024;
const MAX_BODY_BYTES = 768 * 1024;
const MAX_WORKERS = 64;
const MIN_SCOPES = 1000;
const MAX_SCOPES = 10_000_000;
const MAX_NONCES = 50_000;
const MAX_DISK_RESERVE_MIB = 1024;

export function readPort(text: string): number {
  return /^\d{1,5}$/.test(text) && Number(text) < 65536
    ? Number(text)
    : invalid(`must be a port from 0 to 65535, not ${quoted(text)}`);
}

export function readHost(text: string): string {
  return /^[A-Za-z0-9.:_-]+$/.test(text)
    ? text
    : invalid(`must be a host name or an address, not ${quoted(text)}`);
}

export function readRootUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isRoot =
    url && ['http:', 'https:'].includes(url.protocol) && !url.search && !url.hash && !url.username;
  return isRoot
    ? text.replace(/\/+$/, '')
    : invalid(`must be an http or https URL such as https://auth.example.com, not ${quoted(text)}`);
}

export function readDataDir(text: string): string {
  return text.trim() === '' ? invalid(`must be a directory, not ${quoted(text)}`) : resolve(text);
}

export function oneOf(...values: string[]): (text: string) => string {
  return (text) =>
    values.includes(text) ? text : invalid(`must be one of ${values.join(', ')}, not ${quoted(text)}`);
}

export function readTrustProxy(text: string): boolean | number | string[] {
  if (text === 'true' || text === 'false') return text === 'true';
  if (/^\d{1,3}$/.test(text)) return Number(text);
  const addresses = text.split(',').map((each) => each.trim());
  try {
    proxyAddr.compile(addresses);
    return addresses;
  } catch {
    return invalid(
      `must be true, false, a number of hops, or addresses and subnets with commas between, not ${quoted(text)}`,
    );
  }
}

/** Reads addresses and subnets, separated by commas. */
export function readAddresses(text: string): string[] {
  const addresses = text.split(',').map((each) => each.trim());
  try {
    proxyAddr.compile(addresses);
    return addresses;
  } catch {
    return invalid(`must be addresses and subnets with commas between, not ${quoted(text)}`);
  }
}

export function readHosts(text: string): string[] {
  return text
    .split(',')
    .map(
      (each) =>
        normalizedHost(each.trim()) ??
        invalid(`must be hosts such as auth.example.com with commas between, not ${quoted(text)}`),
    );
}

export function readQuota(text: string): Quota | 'off' {
  if (text === 'off') return text;
  const [, quota, seconds] = /^([1-9]\d{0,8})\/([1-9]\d{0,3})s$/.exec(text) ?? [];
  return quota === undefined
    ? invalid(`must be requests and the seconds they are for, such as 600/60s, or off, not ${quoted(text)}`)
    : { quota: Number(quota), seconds: Number(seconds) };
}

export function readNonces(text: string): number {
  const isInRange = /^\d{1,6}$/.test(text) && Number(text) >= 100 && Number(text) <= MAX_NONCES;
  return isInRange
    ? Number(text)
    : invalid(`must be a number of nonces from 100 to ${MAX_NONCES}, not ${quoted(text)}`);
}

export function readDiskReserve(text: string): number {
  const mebibytes = Number(/^(\d{1,4})MiB$/.exec(text)?.[1]);
  const isInRange = text === '0' || (mebibytes >= 1 && mebibytes <= MAX_DISK_RESERVE_MIB);
  return isInRange
    ? (mebibytes || 0) * 1024 * 1024
    : invalid(`must be 0 for none, or from 1MiB to ${MAX_DISK_RESERVE_MIB}MiB, not ${quoted(text)}`);
}

export function readCorsOrigin(text: string): boolean | string | string[] | RegExp {
  if (text === '') return false;
  if (text === '*') return text;
  const pattern = /^\/(.+)\/$/.exec(text)?.[1];
  if (pattern !== undefined) {
    try {
      return new RegExp(pattern);
    } catch {
      return invalid('is not a valid regular expression');
    }
  }
  const origins = text.split(',').map((each) => each.trim());
  const isOrigin = (each: string): boolean => URL.canParse(each) && new URL(each).origin === each;
  if (!origins.every(isOrigin))
    invalid(
      `must be *, origins such as https://example.com with commas between, or /pattern/, not ${quoted(text)}`,
    );
  return origins.length === 1 ? origins[0]! : origins;
}

export function readBodyLimit(text: string): number {
  const [, digits, unit] = /^(\d{1,9})\s*(KiB)?$/.exec(text) ?? [];
  const bytes = Number(digits) * (unit ? 1024 : 1);
  const isInRange = bytes >= MIN_BODY_BYTES && bytes <= MAX_BODY_BYTES;
  return isInRange
    ? bytes
    : invalid(
        `must be a number of bytes from ${MIN_BODY_BYTES} to ${MAX_BODY_BYTES} (768KiB), not ${quoted(text)}`,
      );
}

export function readConnections(text: string): number {
  const isInRange = /^\d{1,6}$/.test(text) && Number(text) >= 1;
  return isInRange
    ? Number(text)
    : invalid(`must be a number of connections from 1 to 999999, not ${quoted(text)}`);
}

/** Reads an amount of memory such as `64MiB`, in bytes. The minimum holds a few bodies of the largest size. */
export function readMemorySize(text: string): number {
  const [, digits, unit] = /^(\d{1,10})\s*([KM]iB)?$/.exec(text) ?? [];
  const bytes = Number(digits) * (unit === 'MiB' ? 1024 ** 2 : unit === 'KiB' ? 1024 : 1);
  const isInRange = bytes >= 2 * 1024 ** 2 && bytes <= 4096 * 1024 ** 2;
  return isInRange ? bytes : invalid(`must be a number of bytes from 2MiB to 4096MiB, not ${quoted(text)}`);
}

/** Reads a limit of scopes: at least what a small deployment has, at most what a process can hold. */
export function readScopeLimit(text: string): number {
  const isInRange = /^\d{1,8}$/.test(text) && Number(text) >= MIN_SCOPES && Number(text) <= MAX_SCOPES;
  return isInRange
    ? Number(text)
    : invalid(`must be a number of scopes from ${MIN_SCOPES} to ${MAX_SCOPES}, not ${quoted(text)}`);
}

export function readWorkers(text: string): number {
  const isInRange = /^\d{1,2}$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_WORKERS;
  return isInRange
    ? Number(text)
    : invalid(`must be a number of processes from 1 to ${MAX_WORKERS}, not ${quoted(text)}`);
}

/** The message does not show the address, because it may contain a password. */
export function readEventStoreUrl(text: string): string {
  return /^(kurrentdb|kdb|esdb)(\+discover)?:\/\/[^/\s]/.test(text)
    ? text
    : invalid('must be the address of a KurrentDB server, such as kurrentdb://db.example.com:2113');
}

export function readReadStoreUrl(text: string): string {
  return /^mongodb(\+srv)?:\/\/[^/\s]/.test(text)
    ? text
    : invalid(
        'must be the address of a MongoDB server, such as mongodb://db.example.com:27017/authledger?replicaSet=rs0',
      );
}

export function readBrokers(text: string): string[] {
  const brokers = text.split(',').map((each) => each.trim());
  return brokers.every((each) => /^[A-Za-z0-9._-]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$/.test(each))
    ? brokers
    : invalid(`must be host:port of one or more brokers with commas between, not ${quoted(text)}`);
}

export function readBoolean(text: string): boolean {
  return oneOf('true', 'false')(text) === 'true';
}

/** Reads a prefix for names on a shared server. */
export function readPrefix(text: string): string {
  return /^[A-Za-z0-9._-]{1,64}$/.test(text)
    ? text
    : invalid(`must be 1 to 64 of A-Z, a-z, 0-9, . _ -, not ${quoted(text)}`);
}

/** A reader of a duration such as `90s`, `1500ms` or `30d`, in ms, within limits. */
function durationBetween(min: `${number}s`, max: `${number}${'s' | 'd'}`): (text: string) => number {
  return (text) => {
    const ms = milliseconds(text);
    const isInRange = ms !== undefined && ms >= milliseconds(min)! && ms <= milliseconds(max)!;
    return isInRange
      ? ms
      : invalid(`must be a time from ${min} to ${max}, such as 2s or 2500ms, not ${quoted(text)}`);
  };
}

function milliseconds(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,9})(ms|s|d)$/.exec(text) ?? [];
  return unit === undefined ? undefined : Number(digits) * { ms: 1, s: 1000, d: 24 * 60 * 60_000 }[unit]!;
}

/**
 * Freshness is confirmed at least once a second. A limit of less than 2 s would refuse requests whenever one
 * confirmation is late.
 */
export const readStaleness = durationBetween('2s', '60s');

/** The time limit of a caller for what it sends or reads. */
export const readTimeout = durationBetween('1s', '600s');
export const readBewitLifetime = durationBetween('1s', '31536000s');

/** Load balancers keep idle connections open for a few seconds to more than an hour. */
export const readKeepAlive = durationBetween('1s', '7200s');

/** A quiet deployment changes nothing for weeks; a wrong clock is often off by years. */
export const readPurgeGap = durationBetween('1s', '36500d');
