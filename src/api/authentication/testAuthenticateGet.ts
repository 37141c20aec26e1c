import type { Endpoint } from '../../http/endpoint.ts';
import type { LongWork } from '../../process/longWork.ts';
import { testReply } from './testReply.ts';

/** `testAuthenticateGet`: the same as testAuthenticate for requests without a body, and for bewits. */
export function testAuthenticateGet({ longWork }: { longWork: LongWork }): Endpoint {
  return {
    category: 'Scopes and Auth',
    stability: 'stable',
    authentication: 'none',
    dialects: ['older', 'current'],
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
      testReply(longWork, request, {
        scopes: ['test:*', 'auth:create-client:test:*'],
        required: ['test:authenticate-get'],
      }),
  };
}
