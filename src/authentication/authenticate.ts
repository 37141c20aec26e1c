import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import hawk from 'hawk';
import { LRUCache } from 'lru-cache';
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
import { toWellFormed } from '../domain/wellFormed.ts';
import type { TimeSliced } from '../domain/timeSliced.ts';
import { ExpansionTooLarge, type WorkBudget } from '../domain/workBudget.ts';
import { detachString } from '../process/detachString.ts';
import { timingSafeTextEqual } from './timingSafeTextEqual.ts';
import type { SignedRequest } from './signedRequest.ts';
import { readSignature, refusalMessage, type Signature, verifySignature } from './hawkSignature.ts';

/** How long (ms) the verdict on an unsigned request is valid. */
const NO_AUTH_VALID = 15 * 60_000;
/** About how many bytes the cache of resolved credentials may take. Each client and each certificate has an entry. */
const MAX_RESOLVED_BYTES = 100_000_000;
/** Bytes of an entry itself, and of each scope besides its characters: as a concatenated string, in the list, and in its JSON text. */
const RESOLVED_BYTES = 1000;
const SCOPE_BYTES = 64;

/**
 * A client that may sign: it exists, is enabled and has not expired. `revision` changes whenever another field does;
 * without it, nothing about the client is cached.
 */
export type Signer = {
  scopes: readonly string[];
  expires: Date;
  token: string;
  /** Identifies the credential of the token. A client that is deleted and created again has another one. */
  credentialId?: string;
  revision?: number;
  /** Why it may not sign after all. Set only if `isGuarded`, where just the holder of its token may know. */
  refused?: string;
};

export type AuthSuccess = {
  status: 'auth-success';
  clientId: string;
  /** The client that signed the certificate, if it is not `clientId`. */
  issuer?: string;
  scopes: readonly string[];
  expires: Date;
  /** The payload hash that was signed, to be compared with the payload: see checkPayload. */
  hash?: string;
  /**
   * The scopes at a later time. Throws AuthenticationFailure if the client may not sign any more or has another
   * credential by then, and ExpansionTooLarge.
   */
  resolve(now: Date): Promise<readonly string[]>;
};

/** The verdict on a request's signature. */
export type Verdict =
  | AuthSuccess
  | {
      status: 'auth-failed';
      message: string;
      /** The signature is valid, but the signer's scopes are too large to expand. */
      isTooLarge?: true;
    }
  | {
      status: 'no-auth';
      scopes: readonly string[];
      expires: Date;
      resolve(now: Date): Promise<readonly string[]>;
    };

/** Synchronous if everything is cached, as it mostly is: a promise costs more than the look-up. */
export type Authenticate = (request: SignedRequest, now: Date) => Promise<Verdict> | Verdict;

/** The clients and roles that signatures are verified against. */
export type CredentialSource = ScopeExpansion & {
  /** Throws AuthenticationFailure for a client that may not sign, or sets `refused`. Other errors are passed on. */
  resolveSigner(clientId: string, now: Date): Promise<Signer>;
  /** Only the holder of a client's token learns why it may not sign; everybody else gets `Bad mac`. */
  isGuarded?: boolean;
  /** The current revision of a client, and its own scopes; undefined if it is not in memory. */
  cachedClient(clientId: string): { revision: number; scopes: readonly string[] } | undefined;
  /** Runs a computation that counts for the signer: synchronously if it is short, else in slices. */
  runSliced<Result>(
    signerId: string | undefined,
    compute: (work: WorkBudget) => TimeSliced<Result>,
  ): Promise<Result> | Result;
  /** Changes whenever the expansion of any scope may have changed. */
  scopesVersion(): number;
  /** Called for every valid signature, with the client whose token made it. */
  onUsed?(clientId: string, now: Date): void;
  /** The longest time (ms) until a bewit expires; undefined: no limit. */
  maxBewitLifetime?: number;
};

/**
 * The credentials that a signature's id and ext denote. They are valid while their signer is at the same revision;
 * expiries are compared on every use. Signatures are never cached, only what verifies them. Nor is the client's row,
 * which may be far larger than the bytes counted here.
 */
type ResolvedCredentials = Pick<Signature, 'id' | 'ext'> & {
  signerId: string;
  revision: number | undefined;
  credentialId: string | undefined;
  signerExpires: Date;
  key: KeyObject;
  restriction: Restriction;
  expires: Date;
  /** Why even a valid signature is refused. */
  refused: string | undefined;
  cachedScopes: { version: number; scopes: readonly string[] } | undefined;
  /** About how many bytes of memory it takes. */
  bytes: number;
};

/** Resolved credentials that are valid now, with the current scopes of their signer before expansion. */
type LiveCredentials = { resolved: ResolvedCredentials; ownScopes: readonly string[] };

/** Makes the function that authenticates requests: Hawk headers and bewits, permanent and temporary credentials. */
export function makeAuthenticate(clients: CredentialSource): Authenticate {
  const cache = new LRUCache<string, ResolvedCredentials>({
    maxSize: MAX_RESOLVED_BYTES,
    sizeCalculation: ({ bytes }) => bytes,
  });

  return function authenticate(request, now) {
    try {
      const signature = readSignature(request);
      if (!signature) return noAuth(now);
      if (signature.bewitExpires !== undefined) refuseLongBewit(signature.bewitExpires, now);
      const verdict = verify(request, signature, now);
      return verdict instanceof Promise ? verdict.catch(authFailed) : verdict;
    } catch (error) {
      return authFailed(error);
    }
  };

  function noAuth(now: Date): Promise<Verdict> | Verdict {
    const expires = new Date(now.getTime() + NO_AUTH_VALID);
    const expand = () => clients.runSliced(undefined, (work) => clients.expandInSlices([ANONYMOUS], work));
    const verdict = (scopes: readonly string[]): Verdict => ({
      status: 'no-auth',
      scopes,
      expires,
      resolve: async () => expand(),
    });
    const scopes = expand();
    return scopes instanceof Promise ? scopes.then(verdict).catch(authFailed) : verdict(scopes);
  }

  function refuseLongBewit(expires: number, now: Date): void {
    const { maxBewitLifetime: max } = clients;
    if (max !== undefined && expires * 1000 > now.getTime() + max)
      fail(`a bewit may last for ${max / 1000} s at most (MAX_BEWIT_LIFETIME): this one lasts longer`);
  }

  function verify(
    request: SignedRequest,
    signature: Signature,
    now: Date,
  ): Promise<AuthSuccess> | AuthSuccess {
    const live = fromCache(signature, now);
    if (!live) return verifyUncached(request, signature, now);
    const hash = verifySignature(request, signature, { key: live.resolved.key, now });
    return hash instanceof Promise
      ? hash.then((verified) => authSuccess(live, { signature, hash: verified, now }))
      : authSuccess(live, { signature, hash, now });
  }

  async function verifyUncached(
    request: SignedRequest,
    signature: Signature,
    now: Date,
  ): Promise<AuthSuccess> {
    const live = await resolveCredentials(signature, now);
    const hash = await verifySignature(request, signature, { key: live.resolved.key, now });
    throwIfRefused(live.resolved);
    return authSuccess(live, { signature, hash, now });
  }

  /** The credentials at a later time, for a request that was signed with them before. */
  async function resolveAgain(signed: ResolvedCredentials, later: Date): Promise<LiveCredentials> {
    const live = fromCache(signed, later) ?? (await resolveCredentials(signed, later));
    throwIfRefused(live.resolved);
    if (live.resolved.credentialId !== signed.credentialId)
      fail(`client ${signed.signerId} has another accessToken now than the one that signed`);
    return live;
  }

  function authSuccess(
    live: LiveCredentials,
    { signature, hash, now }: { signature: Signature; hash: string | undefined; now: Date },
  ): Promise<AuthSuccess> | AuthSuccess {
    const { resolved } = live;
    clients.onUsed?.(resolved.signerId, now);
    const verdict = (scopes: readonly string[]): AuthSuccess => ({
      status: 'auth-success',
      clientId: signature.id,
      issuer: resolved.restriction.certificate?.issuer,
      scopes,
      expires: resolved.expires,
      hash,
      resolve: async (later) => currentScopes(await resolveAgain(resolved, later)),
    });
    const scopes = currentScopes(live);
    if (!(scopes instanceof Promise)) return verdict(scopes);
    // Meanwhile, the client may have lost scopes.
    return scopes.then(async () => verdict(await currentScopes(await resolveAgain(resolved, new Date()))));
  }

  function fromCache({ id, ext }: Pick<Signature, 'id' | 'ext'>, now: Date): LiveCredentials | undefined {
    const resolved = cache.get(cacheKey({ id, ext }));
    if (!resolved || resolved.id !== id || resolved.ext !== ext) return undefined;
    const signer = clients.cachedClient(resolved.signerId);
    if (!signer || signer.revision !== resolved.revision || resolved.signerExpires < now) return undefined;
    const { certificate } = resolved.restriction;
    return certificate && !isWithinValidity(certificate, now)
      ? undefined
      : { resolved, ownScopes: signer.scopes };
  }

  async function resolveCredentials(
    { id: slice, ext }: Pick<Signature, 'id' | 'ext'>,
    now: Date,
  ): Promise<LiveCredentials> {
    const id = detachString(slice);
    const restriction = ext ? readRestriction(parseExt(ext), id, now) : {};
    const { certificate } = restriction;
    const signerId = certificate?.issuer ?? id;
    const signer = await clients.resolveSigner(signerId, now);
    const { token } = signer;
    const isForged = certificate && !isCertificateValid(token, { clientId: id, certificate });
    const refused = signer.refused ?? (isForged ? FORGED : undefined);
    if (refused !== undefined && !clients.isGuarded) fail(refused);
    const key = createSecretKey(certificate ? temporaryToken(certificate.seed, token) : token, 'utf8');
    const { revision, credentialId, expires: signerExpires, scopes: ownScopes } = signer;
    const expires = certificate ? earlier(signerExpires, new Date(certificate.expiry)) : signerExpires;
    const resolved = { id, ext, signerId, revision, credentialId, signerExpires, key, restriction, expires };
    return { resolved: { ...resolved, refused, cachedScopes: undefined, bytes: 0 }, ownScopes };
  }

  /**
   * Call it only after the signature was verified: it caches the credentials, and unverified ones must not fill the
   * cache.
   */
  function currentScopes({
    resolved,
    ownScopes,
  }: LiveCredentials): Promise<readonly string[]> | readonly string[] {
    const version = clients.scopesVersion();
    const { cachedScopes, id: clientId, signerId, restriction } = resolved;
    if (cachedScopes?.version === version) return cachedScopes.scopes;
    const lent = { clientId, scopes: ownScopes, restriction };
    const scopes = clients.runSliced(signerId, (work) => effectiveScopes(lent, clients, work));
    if (scopes instanceof Promise) return scopes.then((computed) => cacheScopes(resolved, version, computed));
    return cacheScopes(resolved, version, scopes);
  }

  /** `version` is the one at which the computation of the scopes began. */
  function cacheScopes(
    resolved: ResolvedCredentials,
    version: number,
    scopes: readonly string[],
  ): readonly string[] {
    const { cachedScopes } = resolved;
    if (cachedScopes?.scopes === scopes) cachedScopes.version = version;
    else if (resolved.revision !== undefined) {
      const bytes = bytesOf(resolved, scopes);
      cache.set(cacheKey(resolved), { ...resolved, cachedScopes: { version, scopes }, bytes });
    }
    return scopes;
  }
}

/** About how many bytes resolved credentials take with these scopes. id and ext are in the cache key, too. */
function bytesOf({ id, ext = '', restriction }: ResolvedCredentials, held: readonly string[]): number {
  const { certificate, authorizedScopes } = restriction;
  const lists = [held, certificate?.scopes ?? [], authorizedScopes ?? []];
  const scopes = lists.reduce((sum, list) => sum + list.length, 0);
  const characters = lists.reduce((sum, list) => list.reduce((chars, scope) => chars + scope.length, sum), 0);
  return RESOLVED_BYTES + 4 * (id.length + ext.length) + SCOPE_BYTES * scopes + 2 * characters;
}

function authFailed(error: unknown): Verdict {
  if (error instanceof ExpansionTooLarge)
    return { status: 'auth-failed', message: error.message, isTooLarge: true };
  // It may quote a clientId from a certificate or a bewit, which can be any text.
  return { status: 'auth-failed', message: toWellFormed(refusalMessage(error)) };
}

function cacheKey({ id, ext }: Pick<Signature, 'id' | 'ext'>): string {
  return ext === undefined ? id : `${id}\n${ext}`;
}

/** Throws ApiError AuthenticationFailed unless the payload matches the hash that was signed, if one was. */
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

function isCertificateValid(
  token: string,
  { clientId, certificate }: { clientId: string; certificate: Certificate },
): boolean {
  return signingInputs(clientId, certificate).some((text) =>
    timingSafeTextEqual(createHmac('sha256', token).update(text).digest('base64'), certificate.signature),
  );
}

function throwIfRefused({ refused }: Pick<ResolvedCredentials, 'refused'>): void {
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
