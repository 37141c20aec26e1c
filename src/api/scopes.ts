import type { Endpoint, EndpointReply, EndpointRequest } from '../http/endpoint.ts';
import { scopesReply } from '../http/scopesReply.ts';
import type { Services } from './services.ts';
import { workFor } from '../http/workFor.ts';

/** The endpoints about scopes. */
export function scopeEndpoints({ projector: { roleGraph }, longWork }: Services): Endpoint[] {
  const scopeset = (scopes: readonly string[], request: EndpointRequest): EndpointReply =>
    scopesReply({ before: '{"scopes":', scopes, after: '}' }, longWork, workFor(request));
  const common = { category: 'Scopes and Auth', stability: 'stable' } as const;
  const expand = {
    ...common,
    route: '/scopes/expand',
    scopes: 'auth:expand-scopes',
    reads: true,
    output: 'scopeset',
    title: 'Expand Scopes',
    async handle(request) {
      const { scopes } = request.body as { scopes: string[] };
      const expand = longWork.run(workFor(request), (work) => roleGraph.expanding(scopes, work));
      return scopeset(await expand, request);
    },
  } satisfies Partial<Endpoint>;
  const description =
    'The given scopes with all that the roles add to them, sorted and without those that others cover.';

  return [
    {
      ...expand,
      name: 'expandScopes',
      method: 'post',
      dialects: ['current'],
      input: 'scopeset',
      description,
    },
    {
      ...expand,
      name: 'expandScopes',
      method: 'post',
      dialects: ['older'],
      input: 'older-scopeset',
      description,
    },
    {
      ...expand,
      name: 'expandScopesGet',
      method: 'get',
      dialects: ['older'],
      alsoServedIn: ['current'],
      stability: 'deprecated',
      input: 'older-scopeset',
      description: `${description} A GET with a body, kept for old clients: use expandScopes.`,
    },
    {
      ...common,
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
      handle: (request) => scopeset(request.caller.scopes, request),
    },
  ];
}
