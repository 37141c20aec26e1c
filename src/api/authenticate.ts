import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import hawk from 'hawk';
import { ApiError, AuthenticationFailure } from '../domain/errors.ts';
import {
  ANONYMOUS,
  type Certificate,
  isInTime,
  readRestriction,
  type Restriction,
  scopesOf,
  signedTexts,
} from '../domain/temporaryCredentials.ts';
import { RecentlyUsed } from '../domain/recentlyUsed.ts';
import { toWellFormed } from '../domain/wellFormed.ts';
import { sameText } from '../sameText.ts';
import type { SignedRequest } from './endpoint.ts';
import { readSignature, refusal, type Signature, verifySignature } from './hawkSignature.ts';

/** How long an unsigned request's standing is good for (ms). */
const NO_AUTH_VALID = 15 * 60_000;
/** About how many bytes the standings that are kept may take: of each client, and of each of its certificates, one. */
const MOST_STANDINGS = 100_000_000;
/** What of these a standing takes by itself, and for each scope in its list and in the JSON text of that. */
const STANDING_BYTES = 1000;
const SCOPE_BYTES = 80;

/**
 * A client that may sign: found, enabled, not expired. The token is fetched when it is needed. `revision` changes with
 * whatever else is said here; without it, nothing of the client is remembered.
 */
export type Signer = {
  scopes: readonly string[];
  expires: Date;
  token(): Promise<string>;
  revision?: number;
};

export type AuthSuccess = {
  status: 'auth-success';
  clientId: string;
  /** The client that signed the certificate, where it is not `clientId`. */
  issuer?: string;
  scopes: readonly string[];
  expires: Date;
  /** The payload hash that was signed, for whoever has the payload to compare. */
  hash?: string;
  /** The scopes as they are at a later time. Throws AuthenticationFailure when the client may not sign any more. */
  resolve(now: Date): Promise<readonly string[]>;
};

/** The verdict on a request's signature. */
export type Verdict =
  | AuthSuccess
  | { status: 'auth-failed'; message: string }
  | {
      status: 'no-auth';
      scopes: readonly string[];
      expires: Date;
      resolve(now: Date): Promise<readonly string[]>;
    };

/** At once where all that is needed is in memory, as it mostly is: a promise costs a request more than a look-up. */
export type Authenticate = (request: SignedRequest, now: Date) => Promise<Verdict> | Verdict;

/** What judging needs to know of clients and roles. */
export type Clients = {
  /** Throws AuthenticationFailure for a client that may not sign; any other error of it is let through. */
  findSigner(clientId: string, now: Date): Promise<Signer>;
  /** The revision that a client is at; undefined where it is not in memory. */
  revisionOf(clientId: string): number | undefined;
  expand(scopes: readonly string[]): readonly string[];
  /** What a request has in the end of the scopes that are left to it: where not given, their expansion with `anonymous`. */
  granted?(left: readonly string[]): readonly string[];
  /** Changes with what scopes expand to. */
  version(): number;
  /** Told of every client whose token made a valid signature. */
  used?(clientId: string, now: Date): void;
  /** How far ahead (ms) the end of a bewit may lie; undefined: as far as it likes. */
  maxBewitLifetime?: number;
};

/**
 * Whom a signature's id and ext stand for. It holds as long as the client that vouches for it is at the same revision;
 * times are compared on every use. No signature is ever remembered, only what it is verified with.
 */
type Standing = Pick<Signature, 'id' | 'ext'> & {
  signerId: string;
  signer: Signer;
  key: KeyObject;
  restriction: Restriction;
  expires: Date;
  held: { version: number; scopes: readonly string[] } | undefined;
};

/** Judges signed requests: Hawk headers and bewits, permanent and temporary credentials. */
export function makeAuthenticate(clients: Clients): Authenticate {
  const standings = new RecentlyUsed<Standing>(
    MOST_STANDINGS,
    (key, { held }) => STANDING_BYTES + 2 * key.length + SCOPE_BYTES * (held?.scopes.length ?? 0),
  );

  return function authenticate(request, now) {
    try {
      const signature = readSignature(request);
      if (!signature) return unsigned(now);
      if (signature.bewitExpires !== undefined) refuseLongBewit(signature.bewitExpires, now);
      const verdict = judge(request, signature, now);
      return verdict instanceof Promise ? verdict.catch(failed) : verdict;
    } catch (error) {
      return failed(error);
    }
  };

  function unsigned(now: Date): Verdict {
    const expires = new Date(now.getTime() + NO_AUTH_VALID);
    const resolve = async (): Promise<readonly string[]> => clients.expand([ANONYMOUS]);
    return { status: 'no-auth', scopes: clients.expand([ANONYMOUS]), expires, resolve };
  }

  function refuseLongBewit(expires: number, now: Date): void {
    const { maxBewitLifetime: most } = clients;
    if (most !== undefined && expires * 1000 > now.getTime() + most)
      fail(`a bewit may last for ${most / 1000} s at most (MAX_BEWIT_LIFETIME): this one lasts longer`);
  }

  function judge(
    request: SignedRequest,
    signature: Signature,
    now: Date,
  ): Promise<AuthSuccess> | AuthSuccess {
    const standing = remembered(signature, now);
    if (!standing) return judgeAnew(request, signature, now);
    const hash = verifySignature(request, signature, { key: standing.key, now });
    return hash instanceof Promise
      ? hash.then((verified) => success(standing, { signature, hash: verified, now }))
      : success(standing, { signature, hash, now });
  }

  async function judgeAnew(request: SignedRequest, signature: Signature, now: Date): Promise<AuthSuccess> {
    const standing = await makeStanding(signature, now);
    const hash = await verifySignature(request, signature, { key: standing.key, now });
    return success(standing, { signature, hash, now });
  }

  function success(
    standing: Standing,
    { signature, hash, now }: { signature: Signature; hash: string | undefined; now: Date },
  ): AuthSuccess {
    clients.used?.(standing.signerId, now);
    return {
      status: 'auth-success',
      clientId: signature.id,
      issuer: standing.restriction.certificate?.issuer,
      scopes: scopesNow(standing),
      expires: standing.expires,
      hash,
      resolve: async (later) =>
        scopesNow(remembered(signature, later) ?? (await makeStanding(signature, later))),
    };
  }

  function remembered({ id, ext }: Signature, now: Date): Standing | undefined {
    const standing = standings.get(keyOf({ id, ext }));
    if (!standing || standing.id !== id || standing.ext !== ext) return undefined;
    const { signer, signerId, restriction } = standing;
    const { certificate } = restriction;
    const isCurrent = signer.revision === clients.revisionOf(signerId) && signer.expires >= now;
    return isCurrent && (!certificate || isInTime(certificate, now)) ? standing : undefined;
  }

  async function makeStanding({ id, ext }: Signature, now: Date): Promise<Standing> {
    const restriction = ext ? readRestriction(parseExt(ext), id, now) : {};
    const { certificate } = restriction;
    const signerId = certificate?.issuer ?? id;
    const signer = await clients.findSigner(signerId, now);
    const token = await signer.token();
    if (certificate) verifyCertificate(certificate, { clientId: id, token });
    const key = createSecretKey(certificate ? temporaryToken(certificate.seed, token) : token, 'utf8');
    const expires = certificate ? earlier(signer.expires, new Date(certificate.expiry)) : signer.expires;
    return { id, ext, signerId, signer, key, restriction, expires, held: undefined };
  }

  /** Of a verified signature only: nobody else's is worth remembering whom it stands for. */
  function scopesNow(standing: Standing): readonly string[] {
    const version = clients.version();
    const { held } = standing;
    if (held?.version === version) return held.scopes;
    const { id: clientId, signer, restriction } = standing;
    const scopes = scopesOf(
      { clientId, scopes: signer.scopes, restriction },
      clients.expand,
      clients.granted,
    );
    if (held?.scopes === scopes) held.version = version;
    else if (signer.revision !== undefined)
      standings.set(keyOf(standing), { ...standing, held: { version, scopes } });
    return scopes;
  }
}

function failed(error: unknown): Verdict {
  // It may name a client as a certificate or a bewit does, which can hold any text.
  return { status: 'auth-failed', message: toWellFormed(refusal(error)) };
}

function keyOf({ id, ext }: Pick<Signature, 'id' | 'ext'>): string {
  return ext === undefined ? id : `${id}\n${ext}`;
}

/** Throws ApiError AuthenticationFailed unless the payload is the one that was signed. */
export function checkPayload(verdict: AuthSuccess, payload: Buffer, contentType: string): void {
  if (verdict.hash === undefined) return;
  const actual = hawk.crypto.calculatePayloadHash(payload, 'sha256', contentType);
  if (!sameText(actual, verdict.hash)) {
    throw new ApiError('AuthenticationFailed', 'the body is not the one that was signed (bad payload hash)');
  }
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

function fail(message: string): never {
  throw new AuthenticationFailure(message);
}
