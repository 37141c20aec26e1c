import { createHmac } from 'node:crypto';
import hawk, { type Credentials } from 'hawk';
import { ApiError, AuthenticationFailure } from '../domain/errors.ts';
import {
  ANONYMOUS,
  type Certificate,
  readRestriction,
  type Restriction,
  scopesOf,
  signedTexts,
} from '../domain/temporaryCredentials.ts';
import { sameText } from '../sameText.ts';
import type { SignedRequest } from './endpoint.ts';

/** Clocks of callers may differ from ours by this much: what Taskcluster allows. */
const CLOCK_SKEW_SECONDS = 15 * 60;
/** How long an unsigned request's standing is good for (ms). */
const NO_AUTH_VALID = 15 * 60_000;

/** A client that may sign: found, enabled, not expired. The token is fetched when it is needed. */
export type Signer = { scopes: readonly string[]; expires: Date; token(): Promise<string> };

export type AuthSuccess = {
  status: 'auth-success';
  clientId: string;
  /** The client that signed the certificate, where it is not `clientId`. */
  issuer?: string;
  scopes: readonly string[];
  expires: Date;
  /** The payload hash that was signed, for whoever has the payload to compare. */
  hash?: string;
  /** The scopes as they are now. Throws AuthenticationFailure when the client may not sign any more. */
  resolve(): Promise<readonly string[]>;
};

/** The verdict on a request's signature. */
export type Verdict =
  | AuthSuccess
  | { status: 'auth-failed'; message: string }
  | { status: 'no-auth'; scopes: readonly string[]; expires: Date; resolve(): Promise<readonly string[]> };

export type Authenticate = (request: SignedRequest, now: Date) => Promise<Verdict>;

/**
 * Judges signed requests: Hawk headers and bewits, permanent and temporary credentials.
 * `findSigner` throws AuthenticationFailure for a client that may not sign; any other error of it is let through.
 */
export function makeAuthenticate(clients: {
  findSigner(clientId: string, now: Date): Promise<Signer>;
  expand(scopes: readonly string[]): readonly string[];
  /** Told of every client whose token made a valid signature. */
  used?(clientId: string, now: Date): Promise<void>;
}): Authenticate {
  return async function authenticate(request, now) {
    const hasBewit = /[?&]bewit=/.test(request.resource);
    if (request.authorization === undefined && !hasBewit) return unsigned(now);
    try {
      if (request.authorization !== undefined && hasBewit)
        fail('give either an Authorization header or a bewit, not both');
      const signature = hasBewit ? readBewit(request) : readHeader(request.authorization!);
      const restriction = signature.ext ? readRestriction(parseExt(signature.ext), signature.id, now) : {};
      return await judge(request, { ...signature, restriction, now });
    } catch (error) {
      return { status: 'auth-failed', message: refusal(error) };
    }
  };

  function unsigned(now: Date): Verdict {
    const expires = new Date(now.getTime() + NO_AUTH_VALID);
    const resolve = async (): Promise<readonly string[]> => clients.expand([ANONYMOUS]);
    return { status: 'no-auth', scopes: clients.expand([ANONYMOUS]), expires, resolve };
  }

  async function judge(request: SignedRequest, signature: Signature): Promise<AuthSuccess> {
    const { id: clientId, restriction, now } = signature;
    const { certificate } = restriction;
    const issuer = certificate?.issuer;
    const signer = await clients.findSigner(issuer ?? clientId, now);
    const token = await signer.token();
    if (certificate) verifyCertificate(certificate, { clientId, token });
    const key = certificate ? temporaryToken(certificate.seed, token) : token;
    const hash = await verifySignature(request, { key, algorithm: 'sha256' }, signature);
    await clients.used?.(issuer ?? clientId, now);
    const expires = certificate ? earlier(signer.expires, new Date(certificate.expiry)) : signer.expires;
    return {
      status: 'auth-success',
      clientId,
      ...(issuer !== undefined && { issuer }),
      scopes: scopesOf({ clientId, scopes: signer.scopes, restriction }, clients.expand),
      expires,
      ...(hash !== undefined && { hash }),
      async resolve() {
        const { scopes } = await clients.findSigner(issuer ?? clientId, now);
        return scopesOf({ clientId, scopes, restriction }, clients.expand);
      },
    };
  }
}

/** Throws ApiError AuthenticationFailed unless the payload is the one that was signed. */
export function checkPayload(verdict: AuthSuccess, payload: Buffer, contentType: string): void {
  if (verdict.hash === undefined) return;
  const actual = hawk.crypto.calculatePayloadHash(payload, 'sha256', contentType);
  if (!sameText(actual, verdict.hash)) {
    throw new ApiError('AuthenticationFailed', 'the body is not the one that was signed (bad payload hash)');
  }
}

type Signature = { id: string; ext?: string; restriction: Restriction; now: Date };

/** Resolves with the payload hash that was signed. Hawk judges the mac and the time. */
async function verifySignature(
  request: SignedRequest,
  credentials: Credentials,
  { id, ext }: { id: string; ext?: string },
): Promise<string | undefined> {
  const { method, resource: url, host, port, authorization } = request;
  const asHawk = { method: method.toUpperCase(), url, host, port, authorization };
  const find = async (): Promise<Credentials> => credentials;
  const verified =
    authorization === undefined
      ? (await hawk.uri.authenticate(asHawk, find)).attributes
      : (await hawk.server.authenticate(asHawk, find, { timestampSkewSec: CLOCK_SKEW_SECONDS })).artifacts;
  // What was judged must be what was verified, however leniently either was read.
  if (verified.id !== id || (verified.ext || undefined) !== (ext || undefined))
    fail('the signature is malformed');
  return 'hash' in verified ? verified.hash : undefined;
}

function readHeader(header: string): { id: string; ext?: string } {
  const { id, ts, ext } = hawk.utils.parseAuthorizationHeader(header);
  if (!id) fail('the Authorization header has no id');
  // Hawk compares times as numbers, and what is not a number is never too old.
  if (ts !== undefined && !/^\d{1,12}$/.test(ts))
    fail('ts in the Authorization header must be a number of seconds');
  return { id, ext };
}

/** A bewit is base64 of id, expiry, mac and ext with backslashes between. Hawk checks all of it; this finds the client. */
function readBewit({ method, resource }: SignedRequest): { id: string; ext?: string } {
  if (method.toUpperCase() !== 'GET') fail('a bewit is for GET requests only');
  const [bewit, ...others] = [...resource.matchAll(/[?&]bewit=([^&]*)/g)].map((match) => match[1]!);
  if (others.length > 0) fail('give one bewit only');
  const [id, exp, , ext] = Buffer.from(bewit!, 'base64url').toString().split('\\');
  if (!id || !exp || !/^\d{1,12}$/.test(exp)) fail('the bewit is malformed');
  return { id, ext };
}

function parseExt(ext: string): unknown {
  try {
    return JSON.parse(Buffer.from(ext, 'base64').toString());
  } catch {
    return fail('ext must be base64 of JSON');
  }
}

function verifyCertificate(
  certificate: Certificate,
  { clientId, token }: { clientId: string; token: string },
): void {
  const valid = signedTexts(clientId, certificate).some((text) =>
    sameText(createHmac('sha256', token).update(text).digest('base64'), certificate.signature),
  );
  if (!valid)
    fail('ext.certificate.signature is not valid: another token signed it, or something in it was changed');
}

function temporaryToken(seed: string, token: string): string {
  return createHmac('sha256', token).update(seed).digest('base64url');
}

function earlier(one: Date, other: Date): Date {
  return one < other ? one : other;
}

/** What a caller is told. Hawk attaches credentials to its errors, so that nothing else of them may be shown or logged. */
function refusal(error: unknown): string {
  if (error instanceof AuthenticationFailure) return error.message;
  if (!isHawkRefusal(error)) throw error;
  return error.message === 'Unauthorized'
    ? 'the Authorization header is not of the Hawk scheme'
    : error.message;
}

/** Hawk throws Boom errors; those of a server (500 and up) are not refusals. */
function isHawkRefusal(error: unknown): error is Error {
  return error instanceof Error && 'isBoom' in error && 'isServer' in error && error.isServer === false;
}

function fail(message: string): never {
  throw new AuthenticationFailure(message);
}
