import { expect, test } from '@jest/globals';
import { RoleScopes } from '../../src/domain/roleScopes.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { matchesCovering, waysTo } from '../../src/domain/waysTo.ts';
import { WorkBudget } from '../../src/domain/workBudget.ts';

const manyScopes = (count: number, scope: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => scope(i));

test('ways are looked for while roles change', () => {
  const roles = new RoleScopes();
  const all = [
    { roleId: 'p*', scopes: ['a<..>'] },
    { roleId: 'q*', scopes: ['ab<..>'] },
    { roleId: 's*', scopes: ['<..>x'] },
  ];
  roles.addAll(all);
  const looking = waysTo(matchesCovering('abx'), roles, new WorkBudget({ firstSlice: 3 }));
  expect(looking.next().done).toBe(false);
  for (const role of all) roles.delete(role);
  expect(runToCompletion(looking).ways.length).toBeGreaterThan(0);
});

test('parameterised scopes that no parameter makes match are looked at in time slices', () => {
  const roles = new RoleScopes();
  roles.add({ roleId: 'p*', scopes: manyScopes(150_000, (i) => `goal<..>/${i}`) });
  const looking = waysTo([{ kind: 'equal', text: 'goal' }], roles, new WorkBudget());
  expect(looking.next().done).toBe(false);
  expect(runToCompletion(looking).ways).toHaveLength(1);
});

test('parameters that do not match are tried in time slices', () => {
  const roles = new RoleScopes();
  const end = 'y'.repeat(1000);
  roles.add({ roleId: 'p*', scopes: manyScopes(200, (i) => `assume:z<..>${end}${i}`) });
  const text = `assume:${'z'.repeat(1000)}`;
  const looking = waysTo([{ kind: 'starting', text }], roles, new WorkBudget());
  expect(looking.next().done).toBe(false);
  expect(runToCompletion(looking).ways.length).toBeGreaterThan(1);
});
