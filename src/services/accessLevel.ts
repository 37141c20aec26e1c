import type { ScopeExpression } from '../domain/scopeExpression.ts';

/**
 * The scope declarations of an endpoint that has a path parameter `level`. `<level>` in the scope stands for
 * `read-only` or `read-write`; the scope for `read-write` also permits `read-only`.
 */
export function scopesByLevel(scope: string) {
  const at = (level: string): string => scope.replace('<level>', level);
  const scopes: ScopeExpression = {
    if: 'levelIsReadOnly',
    then: { AnyOf: [at('read-only'), at('read-write')] },
    else: at('read-write'),
  };
  return {
    scopes,
    scopeParams: ({ params }: { params: Record<string, string> }) => ({
      levelIsReadOnly: params['level'] === 'read-only',
    }),
  };
}

/** The pattern of a path parameter `level`. */
export const ACCESS_LEVEL = /^(read-write|read-only)$/;
