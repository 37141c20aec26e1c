import { expect, test } from '@jest/globals';
import { RoleScopes } from '../../src/domain/roleScopes.ts';
import type { ScopeMatch } from '../../src/domain/scopeHolders.ts';

const roleNamed = (roleId: string) => ({
  roleId: `${roleId}*`,
  scopes: Array.from({ length: 100 }, (_, i) => [`${i}:<..>`, `own:${roleId}:${i}:<..>`, `${i}*`]).flat(),
});

/** What scopes match, with the roles that have them. */
function found(roles: RoleScopes, match: ScopeMatch): string[] {
  const literal = [...roles.literal.matching(match)].flatMap(({ scope, holders }) =>
    [...holders].map((roleId) => `${roleId} ${scope}`),
  );
  return [
    ...literal,
    ...[...roles.parameterised(match)].map(({ roleId, start }) => `${roleId} ${start}`),
  ].sort();
}

test('of roles with very many scopes, those that are there are found', () => {
  const [one, two] = [roleNamed('one'), roleNamed('two')];
  const roles = new RoleScopes();
  roles.addAll([one, two]);
  expect(found(roles, { kind: 'equal', text: '7:x' })).toEqual(['one* 7:', 'two* 7:']);
  expect(found(roles, { kind: 'starred-prefix', text: '7' })).toEqual(['one* 7*', 'two* 7*']);
  expect(found(roles, { kind: 'starting', text: 'own:' })).toHaveLength(200);
  roles.delete(one);
  expect(found(roles, { kind: 'equal', text: '7:x' })).toEqual(['two* 7:']);
  expect(found(roles, { kind: 'starting', text: 'own:' })).toHaveLength(100);
  roles.delete(two);
  expect(found(roles, { kind: 'starting', text: '' })).toEqual([]);
});
