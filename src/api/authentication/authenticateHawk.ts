import type { Authenticate, Verdict } from '../../authentication/authenticate.ts';
import type { SignedRequest } from '../../authentication/signedRequest.ts';
import type { Endpoint, EndpointReply, EndpointRequest } from '../../http/endpoint.ts';
import { scopesReply } from '../../http/scopesReply.ts';
import { workFor } from '../../http/workFor.ts';
import type { LongWork } from '../../process/longWork.ts';
import { isoDate } from './isoDate.ts';

/**
 * `authenticateHawk`: verifies the signature of a request to another service, and returns the client and its scopes.
 */
export function authenticateHawk({
  authenticate,
  longWork,
}: {
  authenticate: Authenticate;
  longWork: LongWork;
}): Endpoint[] {
  const hawk = {
    category: 'Scopes and Auth',
    stability: 'stable',
    authentication: 'none',
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
          ? verdict.then((settled) => verdictReply(longWork, settled, request))
          : verdictReply(longWork, verdict, request);
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
        return verdictReply(
          longWork,
          verdict.status === 'no-auth' ? { status: 'auth-failed', message } : verdict,
          request,
        );
      },
    },
  ];
}

function verdictReply(longWork: LongWork, verdict: Verdict, request: EndpointRequest): EndpointReply {
  if (verdict.status === 'auth-failed') {
    const { status, message } = verdict;
    return {
      body: { status, message },
      refused: { reason: message, signed: request.body as SignedRequest },
    };
  }
  const { scopes, expires } = verdict;
  const after = `,"expires":"${isoDate(expires)}"`;
  if (verdict.status === 'no-auth') {
    const before = '{"status":"no-auth","scheme":"none","scopes":';
    return scopesReply({ before, scopes, after: `${after}}` }, longWork, workFor(request));
  }
  const { clientId, hash } = verdict;
  const end = hash === undefined ? '}' : `,"hash":${JSON.stringify(hash)}}`;
  // scopesReply requires ASCII: ids, scopes, hashes and dates are.
  const before = `{"status":"auth-success","scheme":"hawk","clientId":${JSON.stringify(clientId)},"scopes":`;
  const reply = scopesReply({ before, scopes, after: after + end }, longWork, workFor(request));
  return { ...reply, isRoutine: true };
}
