import type { Endpoint } from '../../http/endpoint.ts';
import { scopesReply } from '../../http/scopesReply.ts';
import { workFor } from '../../http/workFor.ts';
import type { LongWork } from '../../process/longWork.ts';

/** `currentScopes`: the scopes of the request itself. */
export function currentScopes({ longWork }: { longWork: LongWork }): Endpoint {
  return {
    category: 'Scopes and Auth',
    stability: 'stable',
    name: 'currentScopes',
    method: 'get',
    dialects: ['older', 'current'],
    route: '/scopes/current',
    scopes: 'auth:current-scopes',
    reads: true,
    output: 'scopeset',
    title: 'Get Current Scopes',
    description:
      'The scopes that this very request has, from its client, certificate, authorizedScopes and all roles.',
    handle: (request) =>
      scopesReply(
        { before: '{"scopes":', scopes: request.caller.scopes, after: '}' },
        longWork,
        workFor(request),
      ),
  };
}
