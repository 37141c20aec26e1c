import type { ScopeExpression } from '../domain/scopeExpression.ts';

/**
 * The part of an endpoint with a path parameter `level` that its scope depends on: `<level>` in the scope stands for
 * `read-only` or `read-write`, and who may write may read.
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

/** What a path parameter `level` must match. */
export const ACCESS_LEVEL = /^(read-write|read-only)$/;
