import { expect, test } from '@jest/globals';
import type { ClientRow } from '../../projections/clients.ts';
import type { RoleRow } from '../../projections/roles.ts';
import { FormerRoles } from '../../src/domain/formerRoles.ts';
import { RoleScopes } from '../../src/domain/roleScopes.ts';
import { makeFormerCache } from '../../src/readSide/formerCache.ts';

const MIB = 1024 * 1024;

function client(clientId: string, description = ''): ClientRow {
  const at = '2026-01-01T00:00:00.000Z';
  return {
    clientId,
    description,
    expires: at,
    deleteOnExpiration: false,
    scopes: [],
    disabled: false,
    created: at,
    lastModified: at,
    lastRotated: at,
    credential: { id: '', fingerprint: '' },
    revision: 0,
  };
}

/** Roles that take so many bytes, besides what their expansions may. */
function roles(bytes: number): FormerRoles<RoleRow> {
  const all = new FormerRoles<RoleRow>();
  all.add({ roleId: 'a', description: '', scopes: [], created: '', lastModified: '' }, bytes);
  return all;
}

test('clients and roles of a moment are kept apart from those of others', () => {
  const cache = makeFormerCache(64 * MIB);
  cache.keepClient('1', client('a', 'then'));
  cache.keepClient('2', client('a', 'later'));
  const then = roles(10);
  cache.keepRoles('1', then);
  expect(cache.client('1', 'a')?.description).toBe('then');
  expect(cache.client('2', 'a')?.description).toBe('later');
  expect([cache.client('3', 'a'), cache.client('1', 'b')]).toEqual([undefined, undefined]);
  expect([cache.roles('1'), cache.roles('2')]).toEqual([then, undefined]);
});

test('clients and roles share one limit, and the latest used stay', () => {
  const cache = makeFormerCache(20 * MIB);
  cache.keepRoles('1', roles(8 * MIB));
  for (let i = 0; i < 5; i += 1) cache.keepClient('2', client(`${i}`, 'x'.repeat(MIB)));
  expect(cache.roles('1')).toBeDefined();
  cache.keepRoles('3', roles(8 * MIB));
  expect(cache.roles('3')).toBeDefined();
  expect(cache.client('2', '4')).toBeUndefined();
});

test('clients of one moment never take the place of all roles', () => {
  const cache = makeFormerCache(32 * MIB);
  cache.keepRoles('1', roles(16 * MIB));
  for (let i = 0; i < 100; i += 1) cache.keepClient('2', client(`${i}`, 'x'.repeat(MIB)));
  expect(cache.roles('1')).toBeDefined();
  expect(cache.client('2', '99')).toBeDefined();
  expect(cache.client('2', '0')).toBeUndefined();
});

test('roles stay where there is no room for the index of their scopes beside them', () => {
  const cache = makeFormerCache(20 * MIB);
  cache.keepRoles('1', roles(8 * MIB));
  const scopes = new RoleScopes();
  cache.keepRoleScopes('1', { scopes, bytes: 10 * MIB });
  expect([cache.roles('1') !== undefined, cache.roleScopes('1')]).toEqual([true, undefined]);
  cache.keepRoleScopes('1', { scopes, bytes: 5 * MIB });
  expect([cache.roles('1') !== undefined, cache.roleScopes('1')]).toEqual([true, scopes]);
  cache.keepRoleScopes('before any role', { scopes, bytes: 0 });
  expect(cache.roleScopes('before any role')).toBe(scopes);
});
