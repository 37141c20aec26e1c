import { describe, test } from '@jest/globals';
import { createRole } from '../../commands/createRole.ts';
import { deleteRole } from '../../commands/deleteRole.ts';
import { importRole } from '../../commands/importRole.ts';
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
  test('does nothing if the stored role is identical', () =>
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
  test('refuses to close a cycle again that was imported, once a role of it was deleted', () => {
    given(created('a', 'assume:b'), created('b', 'assume:a'), { type: 'RoleDeleted', data: { roleId: 'b' } })
      .when(role('b', 'assume:a'))
      .isRefused('InputError', { cycle: ['b', 'a', 'b'] });
  });
  test('accepts a role that a cycle grants, and that grants no role of it', () => {
    given(created('admins', 'assume:*')).when(role('new', 'x')).then(created('new', 'x'));
    given(created('admins', 'assume:*'))
      .when(role('new', 'assume:admins'))
      .isRefused('InputError', { cycle: ['new', 'admins', 'new'] });
  });
});

describe('importRole', () => {
  const { given } = roleDecisionsOf(importRole);
  const entry = (roleId: string, ...scopes: string[]) => ({ ...role(roleId, ...scopes), imported });
  test('creates a role with its scopes sorted, and with the dates that it had', () =>
    given()
      .when(entry('r', 'y', 'x'))
      .then({ type: 'RoleCreated', data: entry('r', 'x', 'y') }));
  test('updates a different one, and does nothing for the same scopes in another order', () => {
    given(created('r', 'a'))
      .when(entry('r', 'c', 'b'))
      .then({ type: 'RoleUpdated', data: role('r', 'c', 'b') });
    given(created('r', 'a', 'b'))
      .when(entry('r', 'b', 'a'))
      .then();
  });
  test('closes a cycle by a new role and by an update alike', () => {
    given(created('a', 'assume:b'))
      .when(entry('b', 'assume:a'))
      .then({ type: 'RoleCreated', data: entry('b', 'assume:a') });
    given(created('a', 'assume:b'), created('b', 'x'))
      .when(entry('b', 'assume:a'))
      .then({ type: 'RoleUpdated', data: role('b', 'assume:a') });
  });
  test('refuses a cycle that grows without end, by a new role and by an update alike', () => {
    const refused = entry('p*', 'assume:p<..>x');
    for (const before of [[], [created('p*', 'x')]])
      given(...before)
        .when(refused)
        .isRefused('InputError', { cycle: ['p*', 'p*'] });
  });
  test('refuses what no role may hold', () => {
    given().when(entry('r', 'a**')).isRefused('InputError', { scope: 'a**' });
    given(created('r*', 'x')).when(entry('r*', 'a*<..>')).isRefused('InputError', { scope: 'a*<..>' });
  });
});

/** Each passes its parameter on to the next in two ways. */
const doubling = (i: number): [string, string, string] => [
  `r${i}/*`,
  `assume:r${i + 1}/<..>a`,
  `assume:r${i + 1}/<..>b`,
];
const tooMany = Array.from({ length: 9 }, (_, i) => created(...doubling(i)));

describe('roles whose fan-out of a parameter would be too large are refused', () => {
  test('by createRole, and by importRole', () => {
    const { given } = roleDecisionsOf(createRole);
    const next = role(...doubling(9));
    given(...tooMany.slice(1))
      .when(next)
      .then({ type: 'RoleCreated', data: next });
    given(...tooMany)
      .when(next)
      .isRefused('InputError', { roleId: 'r0/*' });
    roleDecisionsOf(importRole)
      .given(...tooMany)
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
  test('does nothing if nothing would change', () => given(created('r', 'a')).when(role('r', 'a')).then());
  test('refuses a role that does not exist', () => given().when(role('r')).isRefused('ResourceNotFound'));
  test('refuses a cycle', () =>
    given(created('r', 'a'))
      .when(role('r', 'assume:*'))
      .isRefused('InputError', { cycle: ['r', 'r'] }));
});

describe('updateRole of a role on a cycle that was imported', () => {
  const { given } = roleDecisionsOf(updateRole);
  const circle = [created('a', 'assume:b', 'x'), created('b', 'assume:a', 'y'), created('c')];
  const expectAccepted = (before: RoleEvent[], next: ReturnType<typeof role>): void =>
    given(...before)
      .when(next)
      .then({ type: 'RoleUpdated', data: next });

  test('accepts another description', () =>
    expectAccepted(circle, { ...role('a', 'assume:b', 'x'), description: 'another' }));
  test('accepts fewer scopes, and others that grant no role', () => {
    expectAccepted(circle, role('a', 'assume:b'));
    expectAccepted(circle, role('a', 'x'));
    expectAccepted(circle, role('a', 'assume:b', 'z', 'q:*'));
    expectAccepted(circle, role('a', 'assume:b', 'assume:nobody-has-this'));
  });
  test('accepts scopes that grant the same roles in another way', () => {
    expectAccepted([created('all', 'assume:*'), created('c')], role('all', 'assume:c', 'assume:all'));
    expectAccepted([created('all', 'assume:*'), created('c')], role('all', 'assume:*', 'assume:c', 'x'));
    expectAccepted([created('p*', 'assume:p<..>')], role('p*', 'assume:p<..>', 'x:<..>'));
  });
  test('refuses another dependency, and shows the cycle', () => {
    given(...circle)
      .when(role('a', 'assume:b', 'assume:c'))
      .isRefused('InputError', { cycle: ['a', 'b', 'a'] });
    given(...circle)
      .when(role('a', 'assume:b', 'assume:*'))
      .isRefused('InputError', { cycle: ['a', 'a'] });
  });
  test('accepts another dependency once the cycle is broken', () =>
    expectAccepted(
      [...circle, { type: 'RoleUpdated', data: role('b', 'y') }],
      role('a', 'assume:b', 'assume:c'),
    ));
  test('refuses scopes with the same dependencies along which a parameter grows without end', () => {
    given(created('p*', 'assume:p<..>'))
      .when(role('p*', 'assume:p<..>x'))
      .isRefused('InputError', { cycle: ['p*', 'p*'] });
    given(created('p*', 'assume:q<..>'), created('q*', 'assume:p<..>'))
      .when(role('p*', 'assume:q<..>/'))
      .isRefused('InputError', { cycle: ['p*', 'q*', 'p*'] });
  });
  test('refuses scopes with the same dependencies and too large a fan-out', () => {
    const rows = Array.from({ length: 9 }, (_, i) => created(...doubling(i + 1)));
    given(
      ...rows.slice(0, -1),
      created('r9/*', 'assume:r10/<..>a', 'assume:r10/<..>b'),
      created('r0/*', 'assume:r0/<..>', 'assume:r1/<..>a'),
    )
      .when(role('r0/*', 'assume:r0/<..>', 'assume:r1/<..>a', 'assume:r1/<..>b', 'assume:r1/<..>c'))
      .isRefused('InputError', { roleId: 'r0/*' });
  });
});

describe('deleteRole', () => {
  const { given } = roleDecisionsOf(deleteRole);
  test('removes a role', () =>
    given(created('r'))
      .when({ roleId: 'r' })
      .then({ type: 'RoleDeleted', data: { roleId: 'r' } }));
  test('does nothing if there is none', () => given().when({ roleId: 'r' }).then());
});
