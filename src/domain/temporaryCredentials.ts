import { CLIENT_ID_PATTERN, MAX_ID_LENGTH, STATIC_PREFIX } from '../../schemas/constants.ts';
import { isInternal } from './client.ts';
import { AuthenticationFailure } from './errors.ts';
import { fenced } from './markdown.ts';
import { isValidScope, missingFrom } from './scopes.ts';
import type { WorkBudget } from './workBudget.ts';
import type { TimeSliced } from './timeSliced.ts';

/**
 * Temporary credentials, as Taskcluster defines them: a holder of a client's access token can sign a certificate that
 * delegates some of the client's scopes for a limited time, to a new clientId (named, with `issuer`) or to its own.
 * The rules are those of the Taskcluster documentation ("Hawk authentication") and of its clients.
 */
export type Certificate = {
  version: 1;
  scopes: string[];
  start: number;
  expiry: number;
  seed: string;
  signature: string;
  issuer?: string;
};

/** What the `ext` of a signature may contain: a certificate, and a limit that the caller sets for its own request. */
export type Restriction = { certificate?: Certificate; authorizedScopes?: string[] };

const MINUTE = 60_000;
const CLOCK_DRIFT = 5 * MINUTE;
const MAX_DAYS = 31;
const MAX_LIFETIME = MAX_DAYS * 24 * 60 * MINUTE;
const SEED_LENGTH = 44;
const CLIENT_ID = new RegExp(CLIENT_ID_PATTERN);

/** Reads the parsed JSON of `ext`. Throws AuthenticationFailure naming the field that is wrong. */
export function readRestriction(ext: unknown, clientId: string, now: Date): Restriction {
  if (!isObject(ext)) fail('ext must be a JSON object');
  const { certificate, authorizedScopes } = ext;
  const restriction: Restriction = {};
  if (certificate !== undefined && certificate !== null) {
    restriction.certificate = readCertificate(certificate, clientId, now);
  }
  if (authorizedScopes !== undefined && authorizedScopes !== null) {
    restriction.authorizedScopes = readScopes(authorizedScopes, 'ext.authorizedScopes');
  }
  return restriction;
}

function readCertificate(value: unknown, clientId: string, now: Date): Certificate {
  if (!isObject(value)) fail('ext.certificate must be a JSON object');
  const { version, seed, start, expiry, signature, issuer, scopes } = value;
  if (version !== 1) fail('ext.certificate.version must be 1');
  if (typeof seed !== 'string') fail('ext.certificate.seed must be a string');
  if (seed.length !== SEED_LENGTH) fail(`ext.certificate.seed must be ${SEED_LENGTH} characters long`);
  if (!isTime(start)) fail('ext.certificate.start must be a number of milliseconds');
  if (!isTime(expiry)) fail('ext.certificate.expiry must be a number of milliseconds');
  if (typeof signature !== 'string') fail('ext.certificate.signature must be a string');
  const checked = readScopes(scopes, 'ext.certificate.scopes');
  if (isNotYetValid(start, now)) fail('ext.certificate.start lies in the future');
  if (hasExpired(expiry, now)) fail('ext.certificate.expiry has passed: the certificate has expired');
  if (lastsTooLong({ start, expiry })) fail(`ext.certificate must not last longer than ${MAX_DAYS} days`);
  const certificate: Certificate = { version, seed, start, expiry, signature, scopes: checked };
  if (issuer === undefined || issuer === null) {
    if ('clientId' in value)
      fail('ext.certificate.clientId must only be used together with ext.certificate.issuer');
    return certificate;
  }
  if (typeof issuer !== 'string') fail('ext.certificate.issuer must be a string');
  if (issuer === clientId) fail('ext.certificate.issuer must differ from the clientId');
  if (!CLIENT_ID.test(clientId) || clientId.length > MAX_ID_LENGTH || isInternal(clientId)) {
    fail('the clientId of these temporary credentials is not a valid one');
  }
  if (clientId.startsWith(STATIC_PREFIX) || clientId === 'anonymous')
    fail(`temporary credentials with an issuer must not be called ${STATIC_PREFIX}… or anonymous`);
  return { ...certificate, issuer };
}

/** Whether a certificate is valid at a time, give or take the allowed clock drift. */
export function isWithinValidity(
  { start, expiry }: Pick<Certificate, 'start' | 'expiry'>,
  now: Date,
): boolean {
  return !isNotYetValid(start, now) && !hasExpired(expiry, now);
}

/** Whether a certificate lasts longer than the 31 days that are allowed. */
export function lastsTooLong({ start, expiry }: Pick<Certificate, 'start' | 'expiry'>): boolean {
  return expiry - start > MAX_LIFETIME;
}

function isNotYetValid(start: number, now: Date): boolean {
  return start > now.getTime() + CLOCK_DRIFT;
}

function hasExpired(expiry: number, now: Date): boolean {
  return expiry < now.getTime() - CLOCK_DRIFT;
}

/**
 * The texts that a certificate's signature may cover: today's clients sign one more line feed if there are no scopes.
 */
export function signingInputs(
  clientId: string,
  { issuer, seed, start, expiry, scopes }: Certificate,
): string[] {
  const named = issuer === undefined ? [] : [`clientId:${clientId}`, `issuer:${issuer}`];
  const lines = [
    'version:1',
    ...named,
    `seed:${seed}`,
    `start:${start}`,
    `expiry:${expiry}`,
    'scopes:',
    ...scopes,
  ];
  const text = lines.join('\n');
  return scopes.length === 0 ? [text, `${text}\n`] : [text];
}

/**
 * How scopes expand, in time slices. `granted` replaces the last step: from a request's own scopes to all that it has.
 */
export type ScopeExpansion = {
  expandInSlices(scopes: readonly string[], work: WorkBudget): TimeSliced<readonly string[]>;
  granted?(scopes: readonly string[], work: WorkBudget): TimeSliced<readonly string[]>;
};

/**
 * The effective scopes of a request, in time slices: those of the client, limited by the certificate, then by the
 * request itself; expanded, together with the role `anonymous`, unless `granted` does that step. Throws
 * AuthenticationFailure if the client lacks scopes that the certificate delegates or the request claims, and
 * ExpansionTooLarge.
 */
export function* effectiveScopes(
  {
    clientId,
    scopes: own,
    restriction,
  }: { clientId: string; scopes: readonly string[]; restriction: Restriction },
  { expandInSlices: expanding, granted }: ScopeExpansion,
  work: WorkBudget,
): TimeSliced<readonly string[]> {
  const { certificate, authorizedScopes } = restriction;
  let scopes = own;
  if (certificate) {
    const issuerScopes = yield* expanding(own, work);
    if (certificate.issuer !== undefined) {
      const needed = `auth:create-client:${clientId}`;
      if (missingFrom(issuerScopes, [needed]).length > 0) {
        fail(
          `ext.certificate.issuer ${certificate.issuer} does not have the scope that it needs to name these credentials:\n\n${fenced(needed)}`,
        );
      }
    }
    refuseMissing(
      missingFrom(issuerScopes, certificate.scopes),
      'the issuer does not have these scopes of ext.certificate',
    );
    scopes = certificate.scopes;
  }
  if (authorizedScopes) {
    const held = yield* expanding([...scopes, ANONYMOUS], work);
    refuseMissing(
      missingFrom(held, authorizedScopes),
      'the credentials do not have these scopes of ext.authorizedScopes',
    );
    scopes = authorizedScopes;
  }
  return yield* granted ? granted(scopes, work) : expanding([...scopes, ANONYMOUS], work);
}

/** The scope that grants the role of all requests, signed or not. */
export const ANONYMOUS = 'assume:anonymous';

function refuseMissing(missing: readonly string[], problem: string): void {
  if (missing.length > 0) fail(`${problem}:\n\n${fenced(missing.join('\n'))}`);
}

function readScopes(value: unknown, field: string): string[] {
  if (!Array.isArray(value)) fail(`${field} must be an array`);
  if (!value.every(isValidScope)) fail(`${field} must be an array of valid scopes`);
  return value as string[];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether it is a number of milliseconds that Date can represent. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && !Number.isNaN(new Date(value).getTime());
}

function fail(message: string): never {
  throw new AuthenticationFailure(message);
}
