import { createHmac, type KeyObject } from 'node:crypto';
import hawk from 'hawk';
import { AuthenticationFailure } from '../domain/errors.ts';
import { timingSafeTextEqual } from './timingSafeTextEqual.ts';
import { bareIpv6 } from './bareIpv6.ts';
import type { SignedRequest } from './signedRequest.ts';
import { MAX_HEADER_FIELD_LENGTH } from '../../schemas/constants.ts';

// The hawk library's own limit, for headers and for URLs with a bewit.
hawk.utils.limits.maxMatchLength = MAX_HEADER_FIELD_LENGTH;

/** The clock skew that callers may have, as in Taskcluster. */
export const CLOCK_SKEW_SECONDS = 15 * 60;
/** Headers up to this length (characters) go to hawk unchecked: for longer malformed ones, it takes too long. */
const MAX_UNCHECKED_LENGTH = 1024;

/**
 * A parsed signature that is not verified yet: the claimed id, and its ext. `bewitExpires` is in seconds since 1970.
 */
export type Signature = { id: string; ext?: string; canonical?: CanonicalHeader; bewitExpires?: number };

/** A header in the exact form that the usual Hawk clients write. */
type CanonicalHeader = { ts: string; nonce: string; hash?: string; ext?: string; mac: string };

/** The characters that hawk allows in the value of an attribute, except for a backslash. */
const VALUE = '[ !#-\\[\\]-~]+';
const CANONICAL_HEADER = new RegExp(
  `^Hawk id="(${VALUE})", ts="(\\d{1,12})", nonce="(${VALUE})"(?:, hash="(${VALUE})")?(?:, ext="(${VALUE})")?, mac="([A-Za-z0-9+/]{43}=)"$`,
);
const LINE_ENDS = '\\n\\r\\u2028\\u2029';
/** A scheme and attributes in the form that hawk parses. It matches in linear time. */
const WELL_FORMED_HEADER = new RegExp(
  `^\\w+\\s+(?:\\w+="[^"\\\\${LINE_ENDS}]*"[^\\S${LINE_ENDS}]*(?:,[^\\S${LINE_ENDS}]*|$))+$`,
);
const NOT_HAWK = 'the Authorization header is not of the Hawk scheme';

/**
 * Parses a request's signature; undefined if it has none. Throws AuthenticationFailure, or hawk's own error, if it is
 * malformed.
 */
export function readSignature({ method, resource, authorization }: SignedRequest): Signature | undefined {
  const isBewit = hasBewit(resource);
  if (authorization === undefined) return isBewit ? readBewit(method, resource) : undefined;
  if (isBewit) fail('give either an Authorization header or a bewit, not both');
  if (authorization.length > MAX_HEADER_FIELD_LENGTH) failTooLong('the Authorization header');
  return readCanonicalHeader(authorization) ?? readHeader(authorization);
}

/** Whether a URL is signed with a bewit. */
export function hasBewit(resource: string): boolean {
  return resource.includes('bewit=') && /[?&]bewit=/.test(resource);
}

/**
 * Verifies a signature, and returns the payload hash that was signed. Throws hawk's own error unless the key made the
 * signature.
 *
 * The hawk library verifies the mac and the timestamp. Valid signatures in canonical headers, which are nearly all, are
 * verified here first, because that saves most of the time; everything else, and so every refusal, is left to hawk.
 * IPv6 literals match with and without brackets, because some clients sign them and others do not.
 */
export function verifySignature(
  request: SignedRequest,
  signature: Signature,
  { key, now }: { key: KeyObject; now: Date },
): Promise<string | undefined> | string | undefined {
  const { canonical } = signature;
  if (canonical && isValidCanonical(request, canonical, { key, now })) return canonical.hash;
  const verdict = verifyWithHawk(request, signature, key);
  const host = otherHostForm(request.host);
  if (host === undefined) return verdict;
  return verdict.catch((error: unknown) => {
    if (!isBadMac(error)) throw error;
    return verifyWithHawk({ ...request, host }, signature, key);
  });
}

/** An IPv6 literal with brackets added or removed; undefined for any other host. */
function otherHostForm(host: string): string | undefined {
  const bare = bareIpv6(host);
  return bare === host ? `[${host}]` : bare;
}

function readCanonicalHeader(authorization: string): Signature | undefined {
  const parts = CANONICAL_HEADER.exec(authorization);
  if (!parts) return undefined;
  const ext = parts[5];
  return {
    id: parts[1]!,
    ext,
    canonical: { ts: parts[2]!, nonce: parts[3]!, hash: parts[4], ext, mac: parts[6]! },
  };
}

/** The rule of the Hawk documentation ("hawk.1.header"), for attributes without backslashes. */
function isValidCanonical(
  { method, resource, host, port }: SignedRequest,
  { ts, nonce, hash = '', ext = '', mac }: CanonicalHeader,
  { key, now }: { key: KeyObject; now: Date },
): boolean {
  if (!resource.startsWith('/')) return false;
  const text = `hawk.1.header\n${ts}\n${nonce}\n${method.toUpperCase()}\n${resource}\n${host.toLowerCase()}\n${port}\n${hash}\n${ext}\n`;
  const expected = createHmac('sha256', key).update(text).digest('base64');
  return (
    timingSafeTextEqual(expected, mac) &&
    Math.abs(Number(ts) * 1000 - now.getTime()) <= CLOCK_SKEW_SECONDS * 1000
  );
}

async function verifyWithHawk(
  { method, resource: url, host, port, authorization }: SignedRequest,
  { id, ext }: Signature,
  key: KeyObject,
): Promise<string | undefined> {
  const asHawk = { method: method.toUpperCase(), url, host, port, authorization };
  const find = async () => ({ key, algorithm: 'sha256' as const });
  const verified =
    authorization === undefined
      ? (await hawk.uri.authenticate(asHawk, find)).attributes
      : (await hawk.server.authenticate(asHawk, find, { timestampSkewSec: CLOCK_SKEW_SECONDS })).artifacts;
  // The credentials were found by our parse of the header; it must agree with that of hawk.
  if (verified.id !== id || (verified.ext || undefined) !== (ext || undefined))
    fail('the signature is malformed');
  if (!('ts' in verified)) return undefined;
  // To hawk, NaN is never too old.
  if (Number.isNaN(Number(verified.ts))) fail('ts in the Authorization header must be a number of seconds');
  return verified.hash;
}

function readHeader(header: string): Signature {
  // For a malformed header, hawk takes quadratic time.
  if (header.length > MAX_UNCHECKED_LENGTH && !WELL_FORMED_HEADER.test(header))
    fail(/^hawk\b/i.test(header) ? 'Bad header format' : NOT_HAWK);
  const { id, ts, nonce, mac, ext } = hawk.utils.parseAuthorizationHeader(header);
  // Hawk's own message, before the client is looked up.
  if (!id || !ts || !nonce || !mac) fail('Missing attributes');
  return { id, ext };
}

/**
 * A bewit is base64url of id, expiry, mac and ext, separated by backslashes. Hawk verifies all of it; this parse finds
 * the client. It is signed for GET, and valid for HEAD, too.
 */
function readBewit(method: string, resource: string): Signature {
  if (!['GET', 'HEAD'].includes(method.toUpperCase())) fail('a bewit is for GET and HEAD requests only');
  if (resource.length > MAX_HEADER_FIELD_LENGTH) failTooLong('a URL with a bewit');
  const [bewit, ...others] = [...resource.matchAll(/[?&]bewit=([^&]*)/g)].map((match) => match[1]!);
  if (others.length > 0) fail('give one bewit only');
  const [id, exp, , ext] = Buffer.from(bewit!, 'base64url').toString().split('\\');
  if (!id || !exp || !/^\d{1,12}$/.test(exp)) fail('the bewit is malformed');
  return { id, ext, bewitExpires: Number(exp) };
}

/**
 * The error message for the caller. Hawk attaches credentials to its errors, so nothing else in them may be shown or
 * logged.
 */
export function refusalMessage(error: unknown): string {
  if (error instanceof AuthenticationFailure) return error.message;
  if (!isHawkRefusal(error)) throw error;
  return error.message === 'Unauthorized' ? NOT_HAWK : error.message;
}

function isBadMac(error: unknown): boolean {
  return isHawkRefusal(error) && error.message === 'Bad mac';
}

/** Hawk throws Boom errors; those of a server (500 and up) are not refusals. */
function isHawkRefusal(error: unknown): error is Error {
  return error instanceof Error && 'isBoom' in error && 'isServer' in error && error.isServer === false;
}

function failTooLong(what: string): never {
  fail(`${what} must be at most ${MAX_HEADER_FIELD_LENGTH} characters long`);
}

function fail(message: string): never {
  throw new AuthenticationFailure(message);
}
