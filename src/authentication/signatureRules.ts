import hawk from 'hawk';
import { ApiError, RateLimited } from '../domain/errors.ts';
import type { DiskReserve } from '../storage/diskReserve.ts';
import type { NonceStore } from '../nonceStore/nonceStore.ts';
import type { AuthSuccess } from './authenticate.ts';
import type { SignedRequest } from './signedRequest.ts';
import { CLOCK_SKEW_SECONDS, hasBewit } from './hawkSignature.ts';

/** What a deployment asks of signed requests to this service beyond what the published API does. */
export type SignatureRules = {
  /** Throws AuthenticationFailed for a signed request to a host that is not one of this service's. */
  checkHost(request: SignedRequest): void;
  /**
   * Throws, or rejects with, AuthenticationFailed for a request that is signed well and not as it is to be here, or was sent before;
   * RateLimited where the signer has used up its room for nonces.
   */
  checkVerified(request: SignedRequest, verified: Verified): Promise<void> | void;
};

/** What the rules go by of the method that a request is for: see Endpoint. */
type RequestedEndpoint = { method: string; authorization?: 'pipeline' | 'command'; revokes?: true };
type Verified = { endpoint: RequestedEndpoint; verdict: AuthSuccess; now: Date };

/** A signer's nonces are kept as long as a signature may be good that is dated as far ahead as clocks may differ (s). */
const NONCE_LIFETIME_SECONDS = 2 * CLOCK_SKEW_SECONDS;
/** When somebody without room for nonces is to try again (s). */
const RETRY_AFTER_SECONDS = 60;

/** `nonces` remember what changes were sent; undefined: nothing does. All three are off where they are not set. */
export function makeSignatureRules({
  allowedHosts,
  requirePayloadHash,
  nonces,
  mostNonces: maxNonces,
  diskReserve,
}: {
  allowedHosts: readonly string[] | undefined;
  requirePayloadHash: boolean;
  nonces: NonceStore | undefined;
  mostNonces: number;
  diskReserve: Pick<DiskReserve, 'writing'>;
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
    const known = await diskReserve.writing(endpoint.revokes === true, () => nonces!.remember(kept, now));
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

/** Whether a method is there to change something: reading has a body, too, where it is asked with lists. */
function isChange({ authorization }: RequestedEndpoint): boolean {
  return authorization === 'command';
}

function fail(message: string): never {
  throw new ApiError('AuthenticationFailed', message);
}
