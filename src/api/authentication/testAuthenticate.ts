import type { Endpoint } from '../../http/endpoint.ts';
import type { LongWork } from '../../process/longWork.ts';
import { testReply } from './testReply.ts';

type Body = { clientScopes: string[]; requiredScopes: string[] };

/** `testAuthenticate`: lets a client library test its signatures. */
export function testAuthenticate({ longWork }: { longWork: LongWork }): Endpoint[] {
  return (['older', 'current'] as const).map((dialect): Endpoint => ({
    category: 'Scopes and Auth',
    stability: 'stable',
    authentication: 'none',
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
      const { clientScopes, requiredScopes } = request.body as Body;
      return testReply(longWork, request, { scopes: clientScopes, required: requiredScopes });
    },
  }));
}
