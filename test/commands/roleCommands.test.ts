import { describe, test } from '@jest/globals';
import { createRole } from '../../commands/createRole.ts';
import { deleteRole } from '../../commands/deleteRole.ts';
import { updateRole } from '../../commands/updateRole.ts';
import type { RoleEvent } from '../../schemas/events/roleEvents.ts';
import { roleDecisionsOf } from '../decisionsOf.ts';

const role = (roleId: string, ...scopes: string[]) => ({ roleId, description: 'a role', scopes });
const created = (roleId: string, ...scopes: string[]): RoleEvent => ({
  type: 'RoleCreated',
  data: role(roleId, ...scopes),
});
const imported = { created: '2015-01-01T00:00:00.000Z', lastModified: '2016-01-01T00:00:00.000Z' };

describe('createRole', () => {
  const { given } = roleDecisionsOf(createRole);
  test('creates a role with its scopes sorted', () =>
    given()
      .when(role('r', 'y', 'x', 'x*'))
      .then(created('r', 'x*', 'x', 'y')));
  test('needs the scopes of the role', () =>
    given()
      .when(role('r', 'b'))
      .needsScopesFor({ roleId: 'r', scopes: ['b'] }));
  test('is content with an identical one', () =>
    given(created('r', 'a', 'b'))
      .when(role('r', 'b', 'a'))
      .then());
  test('refuses a different one', () =>
    given(created('r', 'a')).when(role('r', 'b')).isRefused('RequestConflict'));
  test('refuses scopes that end in two stars', () =>
    given().when(role('r', 'a**')).isRefused('InputError', { scope: 'a**' }));
  test('refuses two parameters in a scope, and one behind a star at its end', () => {
    given().when(role('r*', 'a<..><..>')).isRefused('InputError', { scope: 'a<..><..>' });
    given().when(role('r*', 'a*<..>')).isRefused('InputError', { scope: 'a*<..>' });
    given().when(role('r', 'a*<..>')).then(created('r', 'a*<..>'));
  });
  test('refuses a cycle, and shows it', () => {
    given(created('a', 'assume:b'))
      .when(role('b', 'assume:a'))
      .isRefused('InputError', { cycle: ['b', 'a', 'b'] });
  });
  test('takes over a cycle from another deployment, unless it grows without end', () => {
    const { given: importing } = roleDecisionsOf(createRole);
    const data = { ...role('b', 'assume:a'), imported };
    importing(created('a', 'assume:b')).when(data).then({ type: 'RoleCreated', data });
    importing()
      .when({ ...role('p*', 'assume:p<..>x'), imported })
      .isRefused('InputError', { cycle: ['p*', 'p*'] });
  });
});

/** Each hands its parameter on to the next in two ways. */
const doubling = (i: number): [string, string, string] => [
  `r${i}/*`,
  `assume:r${i + 1}/<..>a`,
  `assume:r${i + 1}/<..>b`,
];
const tooMany = Array.from({ length: 9 }, (_, i) => created(...doubling(i)));

describe('roles that would make more and more of a parameter are refused', () => {
  test('by createRole, also from another deployment', () => {
    const { given } = roleDecisionsOf(createRole);
    const next = role(...doubling(9));
    given(...tooMany.slice(1))
      .when(next)
      .then({ type: 'RoleCreated', data: next });
    given(...tooMany)
      .when(next)
      .isRefused('InputError', { roleId: 'r0/*' });
    given(...tooMany)
      .when({ ...next, imported })
      .isRefused('InputError', { roleId: 'r0/*' });
  });
  test('by updateRole', () => {
    const { given } = roleDecisionsOf(updateRole);
    given(...tooMany, created('r9/*', 'x'))
      .when(role(...doubling(9)))
      .isRefused('InputError', { roleId: 'r0/*' });
  });
});

describe('updateRole', () => {
  const { given } = roleDecisionsOf(updateRole);
  test('keeps the order of the scopes', () =>
    given(created('r', 'a'))
      .when(role('r', 'c', 'b'))
      .then({ type: 'RoleUpdated', data: role('r', 'c', 'b') }));
  test('needs only what the role did not expand to before', () => {
    given(created('r', 'assume:s'), created('s', 'x*'))
      .when(role('r', 'xy', 'y'))
      .needsScopesFor({ roleId: 'r', scopesAdded: ['y'] });
  });
  test('does nothing where it is so already', () => given(created('r', 'a')).when(role('r', 'a')).then());
  test('refuses a role that does not exist', () => given().when(role('r')).isRefused('ResourceNotFound'));
  test('refuses a cycle', () =>
    given(created('r', 'a'))
      .when(role('r', 'assume:*'))
      .isRefused('InputError', { cycle: ['r', 'r'] }));
});

describe('deleteRole', () => {
  const { given } = roleDecisionsOf(deleteRole);
  test('removes a role', () =>
    given(created('r'))
      .when({ roleId: 'r' })
      .then({ type: 'RoleDeleted', data: { roleId: 'r' } }));
  test('is content where there is none', () => given().when({ roleId: 'r' }).then());
});
