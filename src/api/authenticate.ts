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
/** What of these a standing takes by itself, and for each scope besides its characters: in a list, and in the JSON text of that. */
const STANDING_BYTES = 1000;
const SCOPE_BYTES = 40;

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
  /** The revision that a client is at, and its own scopes; undefined where it is not in memory. */
  inMemory(clientId: string): { revision: number; scopes: readonly string[] } | undefined;
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
 * times are compared on every use. No signature is ever remembered, only what it is verified with. Nor is the client's row,
 * which may be far larger than what is counted here.
 */
type Standing = Pick<Signature, 'id' | 'ext'> & {
  signerId: string;
  revision: number | undefined;
  signerExpires: Date;
  key: KeyObject;
  restriction: Restriction;
  expires: Date;
  held: { version: number; scopes: readonly string[] } | undefined;
  /** About what it keeps in memory, in bytes. */
  bytes: number;
};

/** A standing, and the own scopes of the client that vouches for it. */
type Vouched = { standing: Standing; own: readonly string[] };

/** Judges signed requests: Hawk headers and bewits, permanent and temporary credentials. */
export function makeAuthenticate(clients: Clients): Authenticate {
  const standings = new RecentlyUsed<Standing>(MOST_STANDINGS, (_, { bytes }) => bytes);

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
    const vouched = remembered(signature, now);
    if (!vouched) return judgeAnew(request, signature, now);
    const hash = verifySignature(request, signature, { key: vouched.standing.key, now });
    return hash instanceof Promise
      ? hash.then((verified) => success(vouched, { signature, hash: verified, now }))
      : success(vouched, { signature, hash, now });
  }

  async function judgeAnew(request: SignedRequest, signature: Signature, now: Date): Promise<AuthSuccess> {
    const vouched = await makeStanding(signature, now);
    const hash = await verifySignature(request, signature, { key: vouched.standing.key, now });
    return success(vouched, { signature, hash, now });
  }

  function success(
    vouched: Vouched,
    { signature, hash, now }: { signature: Signature; hash: string | undefined; now: Date },
  ): AuthSuccess {
    const { standing } = vouched;
    clients.used?.(standing.signerId, now);
    return {
      status: 'auth-success',
      clientId: signature.id,
      issuer: standing.restriction.certificate?.issuer,
      scopes: scopesNow(vouched),
      expires: standing.expires,
      hash,
      resolve: async (later) =>
        scopesNow(remembered(signature, later) ?? (await makeStanding(signature, later))),
    };
  }

  function remembered({ id, ext }: Signature, now: Date): Vouched | undefined {
    const standing = standings.get(keyOf({ id, ext }));
    if (!standing || standing.id !== id || standing.ext !== ext) return undefined;
    const signer = clients.inMemory(standing.signerId);
    if (!signer || signer.revision !== standing.revision || standing.signerExpires < now) return undefined;
    const { certificate } = standing.restriction;
    return certificate && !isInTime(certificate, now) ? undefined : { standing, own: signer.scopes };
  }

  async function makeStanding({ id, ext }: Signature, now: Date): Promise<Vouched> {
    const restriction = ext ? readRestriction(parseExt(ext), id, now) : {};
    const { certificate } = restriction;
    const signerId = certificate?.issuer ?? id;
    const signer = await clients.findSigner(signerId, now);
    const token = await signer.token();
    if (certificate) verifyCertificate(certificate, { clientId: id, token });
    const key = createSecretKey(certificate ? temporaryToken(certificate.seed, token) : token, 'utf8');
    const { revision, expires: signerExpires, scopes: own } = signer;
    const expires = certificate ? earlier(signerExpires, new Date(certificate.expiry)) : signerExpires;
    const standing = { id, ext, signerId, revision, signerExpires, key, restriction, expires };
    return { standing: { ...standing, held: undefined, bytes: 0 }, own };
  }

  /** Of a verified signature only: nobody else's is worth remembering whom it stands for. */
  function scopesNow({ standing, own }: Vouched): readonly string[] {
    const version = clients.version();
    const { held } = standing;
    if (held?.version === version) return held.scopes;
    const { id: clientId, restriction } = standing;
    const scopes = scopesOf({ clientId, scopes: own, restriction }, clients.expand, clients.granted);
    if (held?.scopes === scopes) held.version = version;
    else if (standing.revision !== undefined) {
      const bytes = bytesOf(standing, scopes);
      standings.set(keyOf(standing), { ...standing, held: { version, scopes }, bytes });
    }
    return scopes;
  }
}

/** About what a standing that holds these scopes keeps in memory: its id and ext are in its key, too. */
function bytesOf({ id, ext = '', restriction }: Standing, held: readonly string[]): number {
  const { certificate, authorizedScopes } = restriction;
  const lists = [held, certificate?.scopes ?? [], authorizedScopes ?? []];
  const scopes = lists.reduce((sum, list) => sum + list.length, 0);
  const characters = lists.reduce((sum, list) => list.reduce((chars, scope) => chars + scope.length, sum), 0);
  return STANDING_BYTES + 4 * (id.length + ext.length) + SCOPE_BYTES * scopes + 2 * characters;
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
