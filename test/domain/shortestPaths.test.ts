import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { findPaths } from '../../src/domain/paths.ts';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { ShortestPaths } from '../../src/domain/shortestPaths.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { WorkBudget } from '../../src/domain/workBudget.ts';
import { histories } from '../histories.ts';
import { roleChecks } from '../roleChecks.ts';
import { anyRoles, forwardingRoles } from './anyRoles.ts';

test('a search for shortest paths finds the first of all paths to each scope, whatever it remembers', () => {
  const step = fc.oneof(anyRoles(), forwardingRoles());
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12, size: 'max' }), (history) => {
      const graph = new RoleGraph();
      for (const { roleId, scopes } of history)
        if (scopes && !roleChecks(graph).unboundedCycleThrough({ roleId, scopes }))
          graph.set({ roleId, scopes });
      const search = new ShortestPaths();
      for (const { held } of history) {
        const scopes = [...new Set([...graph.expand(held).slice(0, 6), 'not/held', ...held])];
        const found = runToCompletion(
          graph.inSnapshot((roles) => search.find({ held, scopes }, roles, new WorkBudget())),
        );
        for (const scope of scopes) {
          const { paths } = runToCompletion(
            graph.inSnapshot((roles) =>
              findPaths({ held, scope }, roles, { limit: 1, work: new WorkBudget() }),
            ),
          );
          const [first] = paths.map(({ held: start, steps }) => ({
            held: start,
            grants: steps.map(({ roleId, grant }) => ({ roleId, grant })),
          }));
          expect([held, scope, found.get(scope)]).toEqual([held, scope, first]);
        }
      }
    }),
    histories(100),
  );
});
