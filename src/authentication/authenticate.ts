import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import hawk from 'hawk';
import { ApiError, AuthenticationFailure } from '../domain/errors.ts';
import {
  ANONYMOUS,
  type Certificate,
  type ScopeExpansion,
  isWithinValidity,
  readRestriction,
  type Restriction,
  effectiveScopes,
  signingInputs,
} from '../domain/temporaryCredentials.ts';
import { RecentlyUsed } from '../domain/recentlyUsed.ts';
import { toWellFormed } from '../domain/wellFormed.ts';
import { ExpansionTooLarge, type WorkBudget } from '../domain/workBudget.ts';
import type { TimeSliced } from '../domain/timeSliced.ts';
import { detachString } from '../process/detachString.ts';
import { timingSafeTextEqual } from './timingSafeTextEqual.ts';
import type { SignedRequest } from './signedRequest.ts';
import { readSignature, refusal, type Signature, verifySignature } from './hawkSignature.ts';

/** How long the verdict on an unsigned request holds (ms). */
const NO_AUTH_VALID = 15 * 60_000;
/** About how many bytes the cache of resolved credentials may take. It has an entry for each client, and for each of its certificates. */
const MAX_RESOLVED_BYTES = 100_000_000;
/** What an entry takes by itself, and for each scope besides its characters: in a list, and in the JSON text of that. */
const RESOLVED_BYTES = 1000;
const SCOPE_BYTES = 40;

/**
 * A client that may sign: found, enabled, not expired. `revision` changes with whatever else is said here; without it,
 * nothing of the client is remembered.
 */
export type Signer = {
  scopes: readonly string[];
  expires: Date;
  token: string;
  /** Which credential the token is of. A client that is created again has another one, whatever its token is. */
  credentialId?: string;
  revision?: number;
  /** Why it may not sign after all, where only those may know that who have its token. */
  refused?: string;
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
  /**
   * The scopes as they are at a later time. Throws AuthenticationFailure when the client may not sign any more, or has another
   * credential than the one that signed, and ExpansionTooLarge.
   */
  resolve(now: Date): Promise<readonly string[]>;
};

/** The verdict on a request's signature. */
export type Verdict =
  | AuthSuccess
  | {
      status: 'auth-failed';
      message: string;
      /** The signature is right, and what the signer has is too much to expand. */
      isTooLarge?: true;
    }
  | {
      status: 'no-auth';
      scopes: readonly string[];
      expires: Date;
      resolve(now: Date): Promise<readonly string[]>;
    };

/** At once where all that is needed is in memory, as it mostly is: a promise costs a request more than a look-up. */
export type Authenticate = (request: SignedRequest, now: Date) => Promise<Verdict> | Verdict;

/** What judging needs to know of clients and roles. */
export type Clients = ScopeExpansion & {
  /** Throws AuthenticationFailure for a client that may not sign, or says so; any other error of it is let through. */
  resolveSigner(clientId: string, now: Date): Promise<Signer>;
  /** Why a client may not sign is told only to who signed with its token: to all others every refusal is `Bad mac`. */
  isGuarded?: boolean;
  /** The revision that a client is at, and its own scopes; undefined where it is not in memory. */
  inMemory(clientId: string): { revision: number; scopes: readonly string[] } | undefined;
  /** Runs what is computed for a caller, the client that signed where there is one: at once where it takes next to no time. */
  inSlices<Result>(
    signerId: string | undefined,
    compute: (work: WorkBudget) => TimeSliced<Result>,
  ): Promise<Result> | Result;
  /** Changes with what scopes expand to. */
  version(): number;
  /** Told of every client whose token made a valid signature. */
  used?(clientId: string, now: Date): void;
  /** How far ahead (ms) the end of a bewit may lie; undefined: as far as it likes. */
  maxBewitLifetime?: number;
};

/**
 * Whom a signature's id and ext stand for. It holds as long as the client that vouches for it is at the same revision;
 * times are compared on every use. No signature is ever remembered, only what it is verified with. Nor is the client's row,
 * which may be far larger than what is counted here.
 */
type ResolvedCredentials = Pick<Signature, 'id' | 'ext'> & {
  signerId: string;
  revision: number | undefined;
  credentialId: string | undefined;
  signerExpires: Date;
  key: KeyObject;
  restriction: Restriction;
  expires: Date;
  /** Why the signature is refused even if it is a good one. */
  refused: string | undefined;
  held: { version: number; scopes: readonly string[] } | undefined;
  /** About what it keeps in memory, in bytes. */
  bytes: number;
};

/** Resolved credentials, and the own scopes of the client that vouches for it. */
type Vouched = { resolved: ResolvedCredentials; own: readonly string[] };

/** Judges signed requests: Hawk headers and bewits, permanent and temporary credentials. */
export function makeAuthenticate(clients: Clients): Authenticate {
  const cache = new RecentlyUsed<ResolvedCredentials>(MAX_RESOLVED_BYTES, (_, { bytes }) => bytes);

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

  function unsigned(now: Date): Promise<Verdict> | Verdict {
    const expires = new Date(now.getTime() + NO_AUTH_VALID);
    const expand = () => clients.inSlices(undefined, (work) => clients.expandInSlices([ANONYMOUS], work));
    const verdict = (scopes: readonly string[]): Verdict => ({
      status: 'no-auth',
      scopes,
      expires,
      resolve: async () => expand(),
    });
    const scopes = expand();
    return scopes instanceof Promise ? scopes.then(verdict).catch(failed) : verdict(scopes);
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
    const vouched = remembered(signature, now);
    if (!vouched) return judgeAnew(request, signature, now);
    const hash = verifySignature(request, signature, { key: vouched.resolved.key, now });
    return hash instanceof Promise
      ? hash.then((verified) => success(vouched, { signature, hash: verified, now }))
      : success(vouched, { signature, hash, now });
  }

  async function judgeAnew(request: SignedRequest, signature: Signature, now: Date): Promise<AuthSuccess> {
    const vouched = await resolveCredentials(signature, now);
    const hash = await verifySignature(request, signature, { key: vouched.resolved.key, now });
    refuseIf(vouched.resolved);
    return success(vouched, { signature, hash, now });
  }

  /** For a later look at a request that was signed with these credentials. */
  async function vouchedLater(signed: ResolvedCredentials, later: Date): Promise<Vouched> {
    const vouched = remembered(signed, later) ?? (await resolveCredentials(signed, later));
    refuseIf(vouched.resolved);
    if (vouched.resolved.credentialId !== signed.credentialId)
      fail(`client ${signed.signerId} has another accessToken now than the one that signed`);
    return vouched;
  }

  function success(
    vouched: Vouched,
    { signature, hash, now }: { signature: Signature; hash: string | undefined; now: Date },
  ): Promise<AuthSuccess> | AuthSuccess {
    const { resolved } = vouched;
    clients.used?.(resolved.signerId, now);
    const verdict = (scopes: readonly string[]): AuthSuccess => ({
      status: 'auth-success',
      clientId: signature.id,
      issuer: resolved.restriction.certificate?.issuer,
      scopes,
      expires: resolved.expires,
      hash,
      resolve: async (later) => scopesNow(await vouchedLater(resolved, later)),
    });
    const scopes = scopesNow(vouched);
    if (!(scopes instanceof Promise)) return verdict(scopes);
    // The client may have lost what it had while that was worked out.
    return scopes.then(async () => verdict(await scopesNow(await vouchedLater(resolved, new Date()))));
  }

  function remembered({ id, ext }: Pick<Signature, 'id' | 'ext'>, now: Date): Vouched | undefined {
    const resolved = cache.get(keyOf({ id, ext }));
    if (!resolved || resolved.id !== id || resolved.ext !== ext) return undefined;
    const signer = clients.inMemory(resolved.signerId);
    if (!signer || signer.revision !== resolved.revision || resolved.signerExpires < now) return undefined;
    const { certificate } = resolved.restriction;
    return certificate && !isWithinValidity(certificate, now) ? undefined : { resolved, own: signer.scopes };
  }

  async function resolveCredentials(
    { id: cut, ext }: Pick<Signature, 'id' | 'ext'>,
    now: Date,
  ): Promise<Vouched> {
    const id = detachString(cut);
    const restriction = ext ? readRestriction(parseExt(ext), id, now) : {};
    const { certificate } = restriction;
    const signerId = certificate?.issuer ?? id;
    const signer = await clients.resolveSigner(signerId, now);
    const { token } = signer;
    const isForged = certificate && !isSignedWith(token, { clientId: id, certificate });
    const refused = signer.refused ?? (isForged ? FORGED : undefined);
    if (refused !== undefined && !clients.isGuarded) fail(refused);
    const key = createSecretKey(certificate ? temporaryToken(certificate.seed, token) : token, 'utf8');
    const { revision, credentialId, expires: signerExpires, scopes: own } = signer;
    const expires = certificate ? earlier(signerExpires, new Date(certificate.expiry)) : signerExpires;
    const resolved = { id, ext, signerId, revision, credentialId, signerExpires, key, restriction, expires };
    return { resolved: { ...resolved, refused, held: undefined, bytes: 0 }, own };
  }

  /** Of a verified signature only: nobody else's is worth remembering whom it stands for. */
  function scopesNow({ resolved, own }: Vouched): Promise<readonly string[]> | readonly string[] {
    const version = clients.version();
    const { held, id: clientId, signerId, restriction } = resolved;
    if (held?.version === version) return held.scopes;
    const lent = { clientId, scopes: own, restriction };
    const scopes = clients.inSlices(signerId, (work) => effectiveScopes(lent, clients, work));
    if (scopes instanceof Promise) return scopes.then((made) => remember(resolved, version, made));
    return remember(resolved, version, scopes);
  }

  /** `version` is that at which the scopes began to be looked for. */
  function remember(
    resolved: ResolvedCredentials,
    version: number,
    scopes: readonly string[],
  ): readonly string[] {
    const { held } = resolved;
    if (held?.scopes === scopes) held.version = version;
    else if (resolved.revision !== undefined) {
      const bytes = bytesOf(resolved, scopes);
      cache.set(keyOf(resolved), { ...resolved, held: { version, scopes }, bytes });
    }
    return scopes;
  }
}

/** About what resolved credentials that hold these scopes keep in memory: id and ext are in the key, too. */
function bytesOf({ id, ext = '', restriction }: ResolvedCredentials, held: readonly string[]): number {
  const { certificate, authorizedScopes } = restriction;
  const lists = [held, certificate?.scopes ?? [], authorizedScopes ?? []];
  const scopes = lists.reduce((sum, list) => sum + list.length, 0);
  const characters = lists.reduce((sum, list) => list.reduce((chars, scope) => chars + scope.length, sum), 0);
  return RESOLVED_BYTES + 4 * (id.length + ext.length) + SCOPE_BYTES * scopes + 2 * characters;
}

function failed(error: unknown): Verdict {
  if (error instanceof ExpansionTooLarge)
    return { status: 'auth-failed', message: error.message, isTooLarge: true };
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
  if (!timingSafeTextEqual(actual, verdict.hash)) {
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

const FORGED =
  'ext.certificate.signature is not valid: another token signed it, or something in it was changed';

function isSignedWith(
  token: string,
  { clientId, certificate }: { clientId: string; certificate: Certificate },
): boolean {
  return signingInputs(clientId, certificate).some((text) =>
    timingSafeTextEqual(createHmac('sha256', token).update(text).digest('base64'), certificate.signature),
  );
}

function refuseIf({ refused }: Pick<ResolvedCredentials, 'refused'>): void {
  if (refused !== undefined) fail(refused);
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
