import { CLIENT_ID_PATTERN, MAX_ID_LENGTH, STATIC_PREFIX } from '../../schemas/constants.ts';
import { isInternal } from './client.ts';
import { AuthenticationFailure } from './errors.ts';
import { fenced } from './markdown.ts';
import { isValidScope, missingFrom } from './scopes.ts';
import type { Sliced, Work } from './work.ts';

/**
 * Temporary credentials, as Taskcluster defines them: whoever knows a client's access token can sign a certificate that
 * lends some of the client's scopes for some time, to a new clientId (named, with `issuer`) or to its own.
 * The rules stand in the Taskcluster documentation ("Hawk authentication") and in its clients.
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

/** What the `ext` of a signature may say: credentials lent by a certificate, and a limit that the caller set itself. */
export type Restriction = { certificate?: Certificate; authorizedScopes?: string[] };

const MINUTE = 60_000;
const CLOCK_DRIFT = 5 * MINUTE;
const LONGEST = 31 * 24 * 60 * MINUTE;
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

function readCertificate(given: unknown, clientId: string, now: Date): Certificate {
  if (!isObject(given)) fail('ext.certificate must be a JSON object');
  const { version, seed, start, expiry, signature, issuer, scopes } = given;
  if (version !== 1) fail('ext.certificate.version must be 1');
  if (typeof seed !== 'string') fail('ext.certificate.seed must be a string');
  if (seed.length !== SEED_LENGTH) fail(`ext.certificate.seed must be ${SEED_LENGTH} characters long`);
  if (!isTime(start)) fail('ext.certificate.start must be a number of milliseconds');
  if (!isTime(expiry)) fail('ext.certificate.expiry must be a number of milliseconds');
  if (typeof signature !== 'string') fail('ext.certificate.signature must be a string');
  const checked = readScopes(scopes, 'ext.certificate.scopes');
  if (isEarly(start, now)) fail('ext.certificate.start lies in the future');
  if (isLate(expiry, now)) fail('ext.certificate.expiry has passed: the certificate has expired');
  if (expiry - start > LONGEST) fail('ext.certificate must not last longer than 31 days');
  const certificate: Certificate = { version, seed, start, expiry, signature, scopes: checked };
  if (issuer === undefined || issuer === null) {
    if ('clientId' in given)
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

/** Whether a certificate's time has come and is not over, on a clock that may differ a little from the issuer's. */
export function isInTime({ start, expiry }: Certificate, now: Date): boolean {
  return !isEarly(start, now) && !isLate(expiry, now);
}

function isEarly(start: number, now: Date): boolean {
  return start > now.getTime() + CLOCK_DRIFT;
}

function isLate(expiry: number, now: Date): boolean {
  return expiry < now.getTime() - CLOCK_DRIFT;
}

/** The texts of which a certificate's signature may be: today's clients sign one more line feed when there are no scopes. */
export function signedTexts(
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

/** How scopes expand, in slices. `granted` makes of the scopes that are left to a request what it has in the end. */
export type Expanding = {
  expanding(scopes: readonly string[], work: Work): Sliced<readonly string[]>;
  granted?(left: readonly string[], work: Work): Sliced<readonly string[]>;
};

/**
 * The scopes that a request has in the end, in slices: those of the client it comes from, limited by the certificate, then by the
 * request itself, expanded, with the role `anonymous` that everybody has, where `granted` does not say otherwise. Throws
 * AuthenticationFailure when the client does not have what the certificate lends, or the request claims, and ExpansionTooLarge.
 */
export function* scopesOf(
  {
    clientId,
    scopes: own,
    restriction,
  }: { clientId: string; scopes: readonly string[]; restriction: Restriction },
  { expanding, granted }: Expanding,
  work: Work,
): Sliced<readonly string[]> {
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

/** Grants the role that everybody has, signed or not. */
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

/** Whether Date can represent it, as every later use of it does. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && !Number.isNaN(new Date(value).getTime());
}

function fail(message: string): never {
  throw new AuthenticationFailure(message);
}
