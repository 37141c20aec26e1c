import type { Endpoint, EndpointReply } from './endpoint.ts';
import { scopesText } from './scopesText.ts';
import type { Services } from './services.ts';

/** The endpoints about scopes. */
export function scopeEndpoints({ projector: { roleGraph } }: Services): Endpoint[] {
  const common = { category: 'Scopes and Auth', stability: 'stable' } as const;
  const expand = {
    ...common,
    route: '/scopes/expand',
    scopes: 'auth:expand-scopes',
    reads: true,
    output: 'scopeset',
    title: 'Expand Scopes',
    handle: ({ body }) => scopeset(roleGraph.expand((body as { scopes: string[] }).scopes)),
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
      handle: ({ caller }) => scopeset(caller.scopes),
    },
  ];
}

function scopeset(scopes: readonly string[]): EndpointReply {
  return { ascii: `{"scopes":${scopesText(scopes)}}` };
}
