import { ApiError, AuthenticationFailure } from '../domain/errors.ts';
import { missingFrom, normalize } from '../domain/scopes.ts';
import { ANONYMOUS } from '../domain/temporaryCredentials.ts';
import {
  type Authenticate,
  checkPayload,
  makeAuthenticate,
  type Signer,
  type Verdict,
} from './authenticate.ts';
import type { Endpoint, EndpointReply, EndpointRequest, SignedRequest } from './endpoint.ts';
import { dateText } from './dateText.ts';
import { insufficientScopes } from './insufficientScopes.ts';
import { scopesText } from './scopesText.ts';
import type { Services } from './services.ts';

type TestBody = { clientScopes: string[]; requiredScopes: string[] };

/** The endpoints that judge signatures: of other services' requests, and of a caller's tests. */
export function authenticationEndpoints({ authenticate }: Services): Endpoint[] {
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
      handle({ body, now }) {
        const signed = body as SignedRequest;
        const verdict = authenticate(signed, now);
        return verdict instanceof Promise
          ? verdict.then((made) => shown(made, signed))
          : shown(verdict, signed);
      },
    },
    {
      ...hawk,
      dialects: ['older'],
      input: 'older-authenticate-hawk-request',
      output: 'older-authenticate-hawk-response',
      description: `${description}.`,
      async handle({ body, now }) {
        const signed = body as SignedRequest;
        const verdict = await authenticate(signed, now);
        const message = 'the request has neither an Authorization header nor a bewit';
        return shown(verdict.status === 'no-auth' ? { status: 'auth-failed', message } : verdict, signed);
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
}

function shown(verdict: Verdict, signed: SignedRequest): EndpointReply {
  if (verdict.status === 'auth-failed')
    return { body: verdict, refused: { reason: verdict.message, signed } };
  const { scopes, expires: date } = verdict;
  const expires = dateText(date);
  if (verdict.status === 'no-auth')
    return { body: { status: verdict.status, scheme: 'none', scopes, expires } };
  const { clientId, hash } = verdict;
  const end = hash === undefined ? '' : `,"hash":${JSON.stringify(hash)}`;
  // Nothing in it is anything but ASCII: ids, scopes, hashes and dates.
  const text = `{"status":"auth-success","scheme":"hawk","clientId":${JSON.stringify(clientId)},"scopes":${scopesText(scopes)},"expires":"${expires}"${end}}`;
  return { ascii: text, isRoutine: true };
}

async function testReply(request: EndpointRequest, scopes: string[], required: string[]) {
  const verdict = await testAuthenticate(scopes)(request.signed, request.now);
  if (verdict.status === 'auth-failed') throw new ApiError('AuthenticationFailed', verdict.message);
  if (verdict.status === 'auth-success') checkPayload(verdict, request.payload, request.contentType);
  const clientId = verdict.status === 'no-auth' ? 'anonymous' : verdict.clientId;
  const missing = missingFrom(normalize(verdict.scopes), required);
  if (missing.length > 0) throw insufficientScopes({ clientId }, missing, { AllOf: required });
  return { body: { clientId, scopes: verdict.scopes } };
}

/** Knows one client only, with a published token; no role adds to its scopes. */
function testAuthenticate(clientScopes: readonly string[]): Authenticate {
  return makeAuthenticate({
    async findSigner(clientId, now): Promise<Signer> {
      if (clientId !== 'tester')
        throw new AuthenticationFailure(`client ${clientId} not found: only tester is known here`);
      const tomorrow = new Date(now.getTime() + 24 * 60 * 60_000);
      return { scopes: clientScopes, expires: tomorrow, token: async () => 'no-secret' };
    },
    inMemory: () => undefined,
    expand: normalize,
    // In the order in which the caller gave them, as official clients' tests compare it.
    granted: (left) => [...new Set([ANONYMOUS, ...left])],
    version: () => 0,
  });
}
