import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { ScopeHolders } from '../../src/domain/scopeHolders.ts';
import { satisfies } from '../../src/domain/scopes.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { findHolders, RoleScopes } from '../../src/domain/whoCan.ts';
import { ExpansionTooLarge, WorkBudget } from '../../src/domain/workBudget.ts';
import { histories } from '../histories.ts';
import { roleChecks } from '../roleChecks.ts';
import { anyRoles, forwardingRoles } from './anyRoles.ts';
import { type PlainRole, plainExpansion } from './plainExpansion.ts';

type PlainClient = { clientId: string; scopes: string[] };

function holdersOf(scope: string, roles: PlainRole[], clients: PlainClient[]) {
  const roleScopes = new RoleScopes();
  for (const role of roles) roleScopes.add(role);
  const clientScopes = new ScopeHolders();
  for (const { clientId, scopes } of clients) clientScopes.add(clientId, scopes);
  return runToCompletion(
    findHolders(scope, { roles: roleScopes, clients: clientScopes }, new WorkBudget({ limit: 20_000 })),
  );
}

describe('who holds a scope', () => {
  test('is found through roles, with the roles on a shortest path', () => {
    const roles = [
      { roleId: 'a', scopes: ['assume:b:x'] },
      { roleId: 'b:*', scopes: ['queue:<..>:y', 'other'] },
      { roleId: 'unrelated', scopes: ['z'] },
    ];
    const clients = [
      { clientId: 'direct', scopes: ['queue:*'] },
      { clientId: 'through', scopes: ['assume:a'] },
      { clientId: 'by a star', scopes: ['assume:*'] },
      { clientId: 'another', scopes: ['assume:b:z'] },
    ];
    expect(holdersOf('queue:x:y', roles, clients)).toEqual({
      clients: new Map([
        ['direct', { scope: 'queue:*', via: [] }],
        ['by a star', { scope: 'assume:*', via: ['b:*'] }],
        ['through', { scope: 'assume:a', via: ['a', 'b:*'] }],
      ]),
      roles: new Map([
        ['b:*', { scope: 'assume:b:*', via: ['b:*'] }],
        ['a', { scope: 'assume:a', via: ['a', 'b:*'] }],
      ]),
    });
  });

  test.each([
    ['any roles', anyRoles()],
    ['roles that pass parameters on', forwardingRoles()],
  ])('over any history of %s is what asking every client and role finds', (_, step) => {
    let complete = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12, size: 'max' }), (history) => {
        const graph = new RoleGraph();
        const present = new Map<string, PlainRole>();
        const roleScopes = new RoleScopes();
        for (const { roleId, scopes } of history) {
          if (scopes && roleChecks(graph).unboundedCycleThrough({ roleId, scopes })) continue;
          const before = present.get(roleId);
          if (before) roleScopes.delete(before);
          if (scopes) graph.set({ roleId, scopes });
          else graph.delete(roleId);
          if (scopes) present.set(roleId, { roleId, scopes });
          else present.delete(roleId);
          if (scopes) roleScopes.add({ roleId, scopes });
        }
        const roles = [...present.values()];
        const clients = history.map(({ held }, i) => ({ clientId: `c${i}`, scopes: held }));
        const clientScopes = new ScopeHolders();
        for (const { clientId, scopes } of clients) {
          clientScopes.add(clientId, ['old', ...scopes]);
          clientScopes.delete(clientId, ['old']);
        }
        const expandedClients = clients.map(
          ({ clientId, scopes }) => [clientId, plainExpansion(roles, scopes)] as const,
        );
        const expandedRoles = roles.map(
          ({ roleId }) => [roleId, plainExpansion(roles, [`assume:${roleId}`])] as const,
        );
        const targets = new Set(
          [...expandedClients, ...expandedRoles].flatMap(([, scopes]) => scopes).slice(0, 6),
        );
        for (const target of [...targets, 'not/held']) {
          let found;
          try {
            found = runToCompletion(
              findHolders(
                target,
                { roles: roleScopes, clients: clientScopes },
                new WorkBudget({ limit: 500 }),
              ),
            );
          } catch (error) {
            expect(error).toBeInstanceOf(ExpansionTooLarge);
            continue;
          }
          complete += 1;
          const asked = (all: (readonly [string, string[]])[]): string[] =>
            all.filter(([, scopes]) => satisfies(scopes, target)).map(([id]) => id);
          expect([target, [...found.clients.keys()].sort()]).toEqual([target, asked(expandedClients).sort()]);
          expect([target, [...found.roles.keys()].sort()]).toEqual([target, asked(expandedRoles).sort()]);
        }
      }),
      histories(12),
    );
    expect(complete).toBeGreaterThan(20);
  });
});
