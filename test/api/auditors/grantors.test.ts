import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import pino from 'pino';
import type { ClientRow } from '../../../projections/clients.ts';
import type { RoleRow } from '../../../projections/roles.ts';
import { grantorsAmong } from '../../../src/api/auditors/grantors.ts';
import { RoleGraph } from '../../../src/domain/roleGraph.ts';
import { normalize } from '../../../src/domain/scopes.ts';
import { makeLongWork } from '../../../src/process/longWork.ts';
import type { Roles } from '../../../src/readSide/state.ts';

const longWork = makeLongWork({ log: pino({ level: 'silent' }) });
const owner = { caller: 'auditor' };

async function rightsOf(scopes: readonly string[], roles: Roles = new RoleGraph<RoleRow>()) {
  const client = { clientId: 'c', disabled: false, scopes } as ClientRow;
  const found = { clients: [{ client, expired: false, ways: [] }], last: undefined };
  const state = { rolesReachedBy: async () => roles };
  const { clients } = await grantorsAmong(found, { state, longWork, owner });
  return clients[0]!;
}

describe('the rights of a client to give scopes', () => {
  const RIGHTS = ['auth:create-client:', 'auth:create-role:', 'auth:update-client:', 'auth:update-role:'];
  const scope = fc.oneof(
    fc.tuple(fc.constantFrom(...RIGHTS), fc.constantFrom('', '*', 'a', 'a*', '!')).map((all) => all.join('')),
    fc
      .tuple(fc.constantFrom(...RIGHTS, '', '**'), fc.nat(20))
      .map(([right, length]) => `${right.slice(0, length)}*`),
    fc.constantFrom('a', 'auth:create-cliff', 'auth:update-role', 'auth:z', 'z'),
  );

  test('are those of its scopes that begin like one, or cover that', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(scope, { maxLength: 8 }), async (scopes) => {
        const expected = normalize(scopes).filter((each) =>
          RIGHTS.some(
            (right) => each.startsWith(right) || (each.endsWith('*') && right.startsWith(each.slice(0, -1))),
          ),
        );
        expect(await rightsOf(scopes)).toMatchObject({ rights: expected, complete: true });
      }),
      { numRuns: 1000 },
    );
  });

  test('are at most 20', async () => {
    const rights = Array.from({ length: 21 }, (_, i) => `auth:create-role:${String(i).padStart(2, '0')}`);
    expect(await rightsOf(rights.slice(0, 20))).toMatchObject({
      rights: rights.slice(0, 20),
      complete: true,
    });
    expect(await rightsOf(rights)).toMatchObject({ rights: rights.slice(0, 20), complete: false });
  });

  test('are found without looking at each scope', async () => {
    let looks = 0;
    const many = Array.from({ length: 100_000 }, (_, i) => `s:${i}`).sort();
    const expanded = new Proxy(many, {
      get(target, key) {
        if (typeof key === 'string') looks += 1;
        return Reflect.get(target, key) as unknown;
      },
    });
    const roles = {
      *expandInSlices() {
        return expanded;
      },
    } as unknown as Roles;
    expect((await rightsOf(['assume:*'], roles)).rights).toEqual([]);
    expect(looks).toBeLessThan(500);
  });

  test('are found of many clients in several turns of the event loop', async () => {
    const scopes = Array.from({ length: 3000 }, (_, i) => `s:${i}`);
    const roles = new RoleGraph<RoleRow>();
    const client = (i: number) => ({ clientId: `c${i}`, disabled: false, scopes }) as ClientRow;
    const clients = Array.from({ length: 100 }, (_, i) => ({ client: client(i), expired: false, ways: [] }));
    const state = { rolesReachedBy: async () => roles };
    // Fills the cache.
    await rightsOf(scopes, roles);
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns += 1;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    await grantorsAmong({ clients, last: undefined }, { state, longWork, owner });
    isDone = true;
    expect(turns).toBeGreaterThan(5);
  });
});
