import fc from 'fast-check';

/**
 * A change of a role. `scopes` is null for a deletion; `held` is expanded after the change; with `checksAll`, every
 * role is.
 */
export type RoleStep = { roleId: string; scopes: string[] | null; held: string[]; checksAll: boolean };

/** Ids and scopes of few letters, so that they match each other in every possible way, also in unusual ones. */
export function anyRoles(): fc.Arbitrary<RoleStep> {
  const word = fc.stringMatching(/^[ab]{0,3}$/);
  const roleId = fc.oneof(
    { weight: 9, arbitrary: fc.stringMatching(/^[ab]{1,3}[*]?$/) },
    { weight: 1, arbitrary: fc.constantFrom('*', 'a*b', '<..>*') },
  );
  const scope = fc.oneof(
    fc.tuple(word, fc.constantFrom('', '', '*')).map(([text, star]) => `assume:${text}${star}`),
    fc.tuple(word, word).map(([before, after]) => `assume:${before}<..>${after}`),
    fc.tuple(word, fc.constantFrom('', '<..>', '<..>b', '*')).map(([text, end]) => `x:${text}${end}`),
    fc.constantFrom('ass*', 'a*', 'x', 'as<..>', '<..>', 'assume:a*b', 'assume:<..>:<..>'),
  );
  return fc.record({
    roleId,
    scopes: fc.option(fc.uniqueArray(scope, { maxLength: 4 })),
    held: fc.array(scope, { maxLength: 3 }),
    checksAll: fc.boolean(),
  });
}

/**
 * Roles of four kinds, most of which pass their parameter on to those of a later kind: long chains, diamonds, the same
 * role with several parameters, and parameters with stars.
 */
export function forwardingRoles(): fc.Arbitrary<RoleStep> {
  const kinds = ['p', 'q', 'r', 's'];
  const kind = fc.nat(3);
  const text = fc.constantFrom('', '', 'a', 'ab');
  const end = fc.constantFrom('', '', '', 'a', 'b', ':x', '*');
  const after = fc.constantFrom(1, 1, 1, 2, 2, 3, 0);
  const scopeOf = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.tuple(after, text, end).map(([by, start, rest]) => ({ by, rest: `${start}<..>${rest}` })),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(after, fc.constantFrom('', 'a', 'ab', 'abc', '*', 'a*'))
        .map(([by, rest]) => ({ by, rest })),
    },
    {
      weight: 2,
      arbitrary: fc
        .constantFrom('x:<..>', 'x:<..>:y', 'x:a*', 'x:ab', 'assume:*')
        .map((rest) => ({ by: undefined, rest })),
    },
  );
  return fc
    .record({
      kind,
      id: fc.constantFrom('*', '*', '*', 'a*', 'ab*', '', 'a', 'ab'),
      scopes: fc.option(fc.array(scopeOf, { minLength: 1, maxLength: 4 }), { freq: 6 }),
      held: fc.array(fc.tuple(kind, fc.constantFrom('', 'a', 'ab', 'abc', 'b', '*', 'a*')), { maxLength: 3 }),
      checksAll: fc.boolean(),
    })
    .map(({ kind: at, id, scopes, held, checksAll }) => ({
      roleId: kinds[at]! + id,
      scopes: scopes && [
        ...new Set(
          scopes.map(({ by, rest }) => (by === undefined ? rest : `assume:${kinds[(at + by) % 4]}${rest}`)),
        ),
      ],
      held: held.map(([of, rest]) => `assume:${kinds[of]}${rest}`),
      checksAll,
    }));
}
