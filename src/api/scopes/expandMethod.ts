import type { RoleGraph } from '../../domain/roleGraph.ts';
import type { RoleDefinition } from '../../domain/roleDefinition.ts';
import type { Endpoint } from '../../http/endpoint.ts';
import { scopesReply } from '../../http/scopesReply.ts';
import { workFor } from '../../http/workFor.ts';
import type { LongWork } from '../../process/longWork.ts';

/** The dependencies of methods that expand scopes. */
export type ExpandParts = {
  projector: { roleGraph: Pick<RoleGraph<RoleDefinition>, 'expandInSlices'> };
  longWork: LongWork;
};

/** The common part of the declarations of all methods that expand scopes. */
export function expandMethod({ projector: { roleGraph }, longWork }: ExpandParts) {
  return {
    category: 'Scopes and Auth',
    stability: 'stable',
    route: '/scopes/expand',
    scopes: 'auth:expand-scopes',
    reads: true,
    output: 'scopeset',
    title: 'Expand Scopes',
    description:
      'The given scopes with all that the roles add to them, sorted and without those that others cover.',
    async handle(request) {
      const { scopes } = request.body as { scopes: string[] };
      const owner = workFor(request);
      const expanded = await longWork.run(owner, (work) => roleGraph.expandInSlices(scopes, work));
      return scopesReply({ before: '{"scopes":', scopes: expanded, after: '}' }, longWork, owner);
    },
  } satisfies Partial<Endpoint>;
}
