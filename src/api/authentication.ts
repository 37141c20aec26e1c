import { ApiError, AuthenticationFailure } from '../domain/errors.ts';
import { findingMissing, normalizing } from '../domain/scopes.ts';
import { ANONYMOUS } from '../domain/temporaryCredentials.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import {
  type Authenticate,
  checkPayload,
  makeAuthenticate,
  type Signer,
  type Verdict,
} from '../authentication/authenticate.ts';
import type { Endpoint, EndpointReply, EndpointRequest } from '../http/endpoint.ts';
import type { SignedRequest } from '../authentication/signedRequest.ts';
import { dateText } from './authentication/dateText.ts';
import { insufficientScopes } from '../http/insufficientScopes.ts';
import { scopesReply } from '../http/scopesReply.ts';
import type { Services } from './services.ts';
import { workFor } from '../http/workFor.ts';

type TestBody = { clientScopes: string[]; requiredScopes: string[] };

/** The endpoints that judge signatures: of other services' requests, and of a caller's tests. */
export function authenticationEndpoints({ authenticate, longWork }: Services): Endpoint[] {
  const common = { category: 'Scopes and Auth', stability: 'stable', authentication: 'none' } as const;
  const both = { ...common, dialects: ['older', 'current'] } as const;
  const hawk = {
    ...common,
    name: 'authenticateHawk',
    method: 'post',
    route: '/authenticate-hawk',
    quota: 'authenticate',
    title: 'Authenticate Hawk Request',
  } as const;
  const description =
    'Says who signed a request to another service, and which scopes that gives, so that services never see credentials. ' +
    'A request that does not authenticate is answered with `auth-failed` and the reason';

  return [
    {
      ...hawk,
      dialects: ['current'],
      input: 'authenticate-hawk-request',
      output: 'authenticate-hawk-response',
      description: `${description}, an unsigned one with \`no-auth\` and the scopes that everybody has.`,
      handle(request) {
        const verdict = authenticate(request.body as SignedRequest, request.now);
        return verdict instanceof Promise
          ? verdict.then((made) => shown(made, request))
          : shown(verdict, request);
      },
    },
    {
      ...hawk,
      dialects: ['older'],
      input: 'older-authenticate-hawk-request',
      output: 'older-authenticate-hawk-response',
      description: `${description}.`,
      async handle(request) {
        const verdict = await authenticate(request.body as SignedRequest, request.now);
        const message = 'the request has neither an Authorization header nor a bewit';
        return shown(verdict.status === 'no-auth' ? { status: 'auth-failed', message } : verdict, request);
      },
    },
    ...(['older', 'current'] as const).map((dialect): Endpoint => ({
      ...common,
      name: 'testAuthenticate',
      dialects: [dialect],
      method: 'post',
      route: '/test-authenticate',
      stateless: true,
      input: dialect === 'older' ? 'older-test-authenticate-request' : 'test-authenticate-request',
      output: 'test-authenticate-response',
      title: 'Test Authentication',
      description:
        'Lets a client library test how it signs: sign with clientId `tester` and accessToken `no-secret`. The tester has ' +
        'the `clientScopes` of the body and needs its `requiredScopes`; roles are not applied to it.',
      handle(request) {
        const { clientScopes, requiredScopes } = request.body as TestBody;
        return testReply(request, clientScopes, requiredScopes);
      },
    })),
    {
      ...both,
      name: 'testAuthenticateGet',
      method: 'get',
      route: '/test-authenticate-get/',
      stateless: true,
      output: 'test-authenticate-response',
      title: 'Test Authentication (GET)',
      description:
        'Like testAuthenticate, for requests without a body and for bewits: the tester has `test:*` and ' +
        '`auth:create-client:test:*`, and needs `test:authenticate-get`.',
      handle: (request) =>
        testReply(request, ['test:*', 'auth:create-client:test:*'], ['test:authenticate-get']),
    },
  ];

  function shown(verdict: Verdict, request: EndpointRequest): EndpointReply {
    if (verdict.status === 'auth-failed') {
      const { status, message } = verdict;
      return {
        body: { status, message },
        refused: { reason: message, signed: request.body as SignedRequest },
      };
    }
    const { scopes, expires: date } = verdict;
    const after = `,"expires":"${dateText(date)}"`;
    if (verdict.status === 'no-auth') {
      const before = '{"status":"no-auth","scheme":"none","scopes":';
      return scopesReply({ before, scopes, after: `${after}}` }, longWork, workFor(request));
    }
    const { clientId, hash } = verdict;
    const end = hash === undefined ? '}' : `,"hash":${JSON.stringify(hash)}}`;
    // Nothing in it is anything but ASCII: ids, scopes, hashes and dates.
    const before = `{"status":"auth-success","scheme":"hawk","clientId":${JSON.stringify(clientId)},"scopes":`;
    const reply = scopesReply({ before, scopes, after: after + end }, longWork, workFor(request));
    return { ...reply, isRoutine: true };
  }

  async function testReply(request: EndpointRequest, scopes: string[], required: string[]) {
    const whom = workFor(request);
    const verdict = await testAuthenticate(scopes, longWork, whom)(request.signed, request.now);
    if (verdict.status === 'auth-failed') throw new ApiError('AuthenticationFailed', verdict.message);
    if (verdict.status === 'auth-success') checkPayload(verdict, request.payload, request.contentType);
    const clientId = verdict.status === 'no-auth' ? 'anonymous' : verdict.clientId;
    const missing = await longWork.run(whom, function* (work) {
      return yield* findingMissing(yield* normalizing(verdict.scopes, work), required, work);
    });
    if (missing.length > 0) throw insufficientScopes({ clientId }, missing, { AllOf: required });
    return { body: { clientId, scopes: verdict.scopes } };
  }
}

/** Knows one client only, with a published token; no role adds to its scopes. */
function testAuthenticate(clientScopes: readonly string[], longWork: LongWork, whom: WorkFor): Authenticate {
  return makeAuthenticate({
    async findSigner(clientId, now): Promise<Signer> {
      if (clientId !== 'tester')
        throw new AuthenticationFailure(`client ${clientId} not found: only tester is known here`);
      const tomorrow = new Date(now.getTime() + 24 * 60 * 60_000);
      return { scopes: clientScopes, expires: tomorrow, token: 'no-secret' };
    },
    inMemory: () => undefined,
    expanding: normalizing,
    // In the order in which the caller gave them, as official clients' tests compare it.
    granted: function* (left) {
      return [...new Set([ANONYMOUS, ...left])];
    },
    inSlices: (_, compute) => longWork.run(whom, compute),
    version: () => 0,
  });
}
