import { type Endpoint, PAST_EXPANSION } from '../../http/endpoint.ts';
import type { RequestedState } from '../../http/requestedState.ts';
import { scopesReply } from '../../http/scopesReply.ts';
import { workFor } from '../../http/workFor.ts';
import type { LongWork } from '../../process/longWork.ts';
import { rolesToExpand } from '../../readSide/state.ts';

/** The dependencies of methods that expand scopes. */
export type ExpandParts = { requestedState: RequestedState; longWork: LongWork };

/** The common part of the declarations of all methods that expand scopes. */
export function expandMethod({ requestedState, longWork }: ExpandParts) {
  return {
    category: 'Scopes and Auth',
    stability: 'stable',
    route: '/scopes/expand',
    scopes: 'auth:expand-scopes',
    reads: true,
    readsPast: PAST_EXPANSION,
    output: 'scopeset',
    title: 'Expand Scopes',
    description:
      'The given scopes with all that the roles add to them, sorted and without those that others cover.',
    async handle(request) {
      const { scopes } = request.body as { scopes: string[] };
      const owner = workFor(request);
      const state = await requestedState(request);
      const roles = await rolesToExpand(state, [scopes]);
      const expanded = await longWork.run(owner, (work) => roles.expandInSlices(scopes, work));
      const reply = scopesReply({ before: '{"scopes":', scopes: expanded, after: '}' }, longWork, owner);
      return { ...reply, moment: state.moment };
    },
  } satisfies Partial<Endpoint>;
}
