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

/** What the tester is told of a request that it signed, and that gives it some scopes where others are required. */
export async function testReply(
  longWork: LongWork,
  request: EndpointRequest,
  { scopes, required }: { scopes: string[]; required: string[] },
): Promise<EndpointReply> {
  const whom = workFor(request);
  const verdict = await testAuthenticate(scopes, longWork, whom)(request.signed, request.now);
  if (verdict.status === 'auth-failed') throw new ApiError('AuthenticationFailed', verdict.message);
  if (verdict.status === 'auth-success')
    checkPayload(verdict, request.signed.payload, request.signed.contentType);
  const clientId = verdict.status === 'no-auth' ? 'anonymous' : verdict.clientId;
  const missing = await longWork.run(whom, function* (work) {
    return yield* missingInSlices(yield* normalizeInSlices(verdict.scopes, work), required, work);
  });
  if (missing.length > 0) throw insufficientScopes({ clientId }, missing, { AllOf: required });
  return { body: { clientId, scopes: verdict.scopes } };
}

/** Knows one client only, with a published token; no role adds to its scopes. */
function testAuthenticate(clientScopes: readonly string[], longWork: LongWork, whom: WorkFor): Authenticate {
  return makeAuthenticate({
    async resolveSigner(clientId, now): Promise<Signer> {
      if (clientId !== 'tester')
        throw new AuthenticationFailure(`client ${clientId} not found: only tester is known here`);
      const tomorrow = new Date(now.getTime() + 24 * 60 * 60_000);
      return { scopes: clientScopes, expires: tomorrow, token: 'no-secret' };
    },
    inMemory: () => undefined,
    expandInSlices: normalizeInSlices,
    // In the order in which the caller gave them, as official clients' tests compare it.
    granted: function* (left) {
      return [...new Set([ANONYMOUS, ...left])];
    },
    inSlices: (_, compute) => longWork.run(whom, compute),
    version: () => 0,
  });
}
