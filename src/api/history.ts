import { actorPrefix } from '../../projections/actorHistory.ts';
import { type AuditEntry, entityPrefix } from '../../projections/entityHistory.ts';
import type { ReadModel } from '../readModel.ts';
import type { Endpoint, EndpointReply } from './endpoint.ts';
import { keyIn, limitOf, tokenFor } from './page.ts';
import type { Services } from './services.ts';

/** The endpoints that tell what was changed, by whom. */
export function historyEndpoints({ projector }: Services): Endpoint[] {
  const common = {
    dialects: ['current'],
    method: 'get',
    category: 'Audit',
    stability: 'stable',
    query: ['continuationToken', 'limit'],
    reads: true,
    output: 'get-entity-history-response',
  } as const;
  const order =
    'Oldest first; go on with the `continuationToken` until there is none. Nothing is ever removed from it.';

  return [
    {
      ...common,
      name: 'getEntityHistory',
      route: '/audit/<entityType>/<entityId>',
      scopes: 'auth:audit-history:<entityType>',
      title: 'Get Entity History',
      description: `All changes of one client or role, through all its lives. ${order}`,
      handle({ params, query }) {
        const { entityType, entityId } = params as { entityType: string; entityId: string };
        return page(projector.entityHistory, entityPrefix(entityType, entityId), query);
      },
    },
    {
      ...common,
      name: 'listAuditHistory',
      route: '/clients/<clientId>/audit',
      scopes: 'auth:client-audit-history:<clientId>',
      title: 'List Audit History',
      description: `All changes that were made by one clientId. ${order}`,
      handle: ({ params, query }) => page(projector.actorHistory, actorPrefix(params['clientId']!), query),
    },
  ];
}

/** A page goes on after a position in the log, so that nothing that comes later can move it. */
async function page(
  history: ReadModel<AuditEntry>,
  prefix: string,
  query: Record<string, string>,
): Promise<EndpointReply> {
  const after = keyIn(query['continuationToken']);
  const { rows, last } = await history.list({
    prefix,
    after: after === undefined ? undefined : prefix + after,
    limit: limitOf(query),
  });
  const continuationToken = tokenFor(last?.slice(prefix.length));
  return {
    body: {
      auditHistory: rows.map(({ value }) => value),
      ...(continuationToken !== undefined && { continuationToken }),
    },
  };
}
