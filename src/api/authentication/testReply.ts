import {
  type Authenticate,
  checkPayload,
  makeAuthenticate,
  type Signer,
} from '../../authentication/authenticate.ts';
import { ApiError, AuthenticationFailure } from '../../domain/errors.ts';
import { missingInSlices, normalizeInSlices } from '../../domain/scopes.ts';
import { ANONYMOUS } from '../../domain/temporaryCredentials.ts';
import type { EndpointReply, EndpointRequest } from '../../http/endpoint.ts';
import { insufficientScopes } from '../../http/insufficientScopes.ts';
import { workFor } from '../../http/workFor.ts';
import type { LongWork, WorkFor } from '../../process/longWork.ts';

/** Authenticates a test request whose tester has `scopes` and needs `required`. Throws as a real request would. */
export async function testReply(
  longWork: LongWork,
  request: EndpointRequest,
  { scopes, required }: { scopes: string[]; required: string[] },
): Promise<EndpointReply> {
  const owner = workFor(request);
  const verdict = await authenticateTester(scopes, longWork, owner)(request.signed, request.now);
  if (verdict.status === 'auth-failed') throw new ApiError('AuthenticationFailed', verdict.message);
  if (verdict.status === 'auth-success')
    checkPayload(verdict, request.signed.payload, request.signed.contentType);
  const clientId = verdict.status === 'no-auth' ? 'anonymous' : verdict.clientId;
  const missing = await longWork.run(owner, function* (work) {
    return yield* missingInSlices(yield* normalizeInSlices(verdict.scopes, work), required, work);
  });
  if (missing.length > 0) throw insufficientScopes({ clientId }, missing, { AllOf: required });
  return { body: { clientId, scopes: verdict.scopes } };
}

/** Authenticates the single client `tester`, with a published token and without roles. */
function authenticateTester(
  clientScopes: readonly string[],
  longWork: LongWork,
  owner: WorkFor,
): Authenticate {
  return makeAuthenticate({
    async resolveSigner(clientId, now): Promise<Signer> {
      if (clientId !== 'tester')
        throw new AuthenticationFailure(`client ${clientId} not found: only tester is known here`);
      const tomorrow = new Date(now.getTime() + 24 * 60 * 60_000);
      return { scopes: clientScopes, expires: tomorrow, token: 'no-secret' };
    },
    cachedClient: () => undefined,
    expandInSlices: normalizeInSlices,
    // In the given order, which the tests of the official clients compare.
    granted: function* (left) {
      return [...new Set([ANONYMOUS, ...left])];
    },
    runSliced: (_, compute) => longWork.run(owner, compute),
    scopesVersion: () => 0,
  });
}
