import hawk from 'hawk';
import { ApiError, RateLimited } from '../domain/errors.ts';
import type { DiskReserve } from '../storage/diskReserve.ts';
import type { NonceStore } from '../nonceStore/nonceStore.ts';
import type { AuthSuccess } from './authenticate.ts';
import type { SignedRequest } from './signedRequest.ts';
import { CLOCK_SKEW_SECONDS, hasBewit } from './hawkSignature.ts';

/** Optional rules of a deployment for signed requests to this service, stricter than the published API. */
export type SignatureRules = {
  /** Throws AuthenticationFailed for a signed request to a host that is not in ALLOWED_HOSTS. */
  checkHost(request: SignedRequest): void;
  /**
   * Throws, or rejects with, AuthenticationFailed for a validly signed request that breaks a rule or is a replay, and
   * RateLimited if the signer has used up its quota of nonces.
   */
  checkVerified(request: SignedRequest, verified: Verified): Promise<void> | void;
};

/** The fields of Endpoint that the rules depend on. */
type RequestedEndpoint = { method: string; authorization?: 'pipeline' | 'command'; revokes?: true };
type Verified = { endpoint: RequestedEndpoint; verdict: AuthSuccess; now: Date };

/** A nonce is kept while its signature can be valid: from one clock skew ahead to one behind. */
const NONCE_LIFETIME_SECONDS = 2 * CLOCK_SKEW_SECONDS;
const RETRY_AFTER_SECONDS = 60;

/** Makes the rules. Without `allowedHosts`, `requirePayloadHash` or `nonces` (replay protection), that rule is off. */
export function makeSignatureRules({
  allowedHosts,
  requirePayloadHash,
  nonces,
  maxNonces,
  diskReserve,
}: {
  allowedHosts: readonly string[] | undefined;
  requirePayloadHash: boolean;
  nonces: NonceStore | undefined;
  maxNonces: number;
  diskReserve: Pick<DiskReserve, 'runWrite'>;
}): SignatureRules {
  const hosts = allowedHosts && new Set(allowedHosts);

  return {
    checkHost({ host, resource, authorization }) {
      if (!hosts || hosts.has(host) || (authorization === undefined && !hasBewit(resource))) return;
      const named = host === '' ? 'without a host' : `to the host ${JSON.stringify(host.slice(0, 255))}`;
      fail(`this service takes signed requests to its own hosts only (ALLOWED_HOSTS), not one ${named}`);
    },
    checkVerified(request, { endpoint, verdict, now }) {
      if (requirePayloadHash && isChange(endpoint) && verdict.hash === undefined)
        fail('a signature of a change must cover its body here (REQUIRE_PAYLOAD_HASH): sign with a hash');
      if (nonces && endpoint.method !== 'get') return rememberNonce(request, { endpoint, verdict, now });
    },
  };

  async function rememberNonce({ authorization }: SignedRequest, { endpoint, verdict, now }: Verified) {
    const { ts, nonce } = hawk.utils.parseAuthorizationHeader(authorization!);
    const signer = verdict.issuer ?? verdict.clientId;
    const until = Math.ceil((Number(ts) + CLOCK_SKEW_SECONDS) * 1000);
    const kept = { signer, nonce: `${verdict.clientId}\n${ts}\n${nonce}`, until };
    const known = await diskReserve.runWrite(endpoint.revokes === true, () => nonces!.remember(kept, now));
    if (known === 'seen')
      fail(
        'this request was sent before (REPLAY_PROTECTION): each needs a signature with a nonce of its own',
      );
    if (known === 'full')
      throw new RateLimited(
        {
          name: 'nonces',
          setting: 'MAX_NONCES_PER_CLIENT',
          quota: maxNonces,
          seconds: NONCE_LIFETIME_SECONDS,
        },
        RETRY_AFTER_SECONDS,
      );
  }
}

/** Whether a method makes changes. Its HTTP method does not tell, because some methods read with POST. */
function isChange({ authorization }: RequestedEndpoint): boolean {
  return authorization === 'command';
}

function fail(message: string): never {
  throw new ApiError('AuthenticationFailed', message);
}
