import { satisfies } from '../../domain/scopes.ts';
import type { ScopeExpression } from '../../domain/scopeExpression.ts';
import type { Caller } from '../../authentication/signedRequest.ts';
import { insufficientScopes } from '../../http/insufficientScopes.ts';
import type { HistoryEntity } from '../../readSide/historyEntity.ts';

const PREFIX = 'authledger:read-history:';

/** The scope for the history of one client or role, or of the credentials of one guarded service. */
function readHistoryScope({ kind, id }: HistoryEntity): string {
  return `${PREFIX}${kind}/${id}`;
}

/** What a request about one entity needs. A request about several needs any such scope, which is left to the method. */
export const READ_HISTORY: ScopeExpression = {
  if: 'client',
  then: readHistoryScope({ kind: 'client', id: '<client>' }),
  else: {
    if: 'role',
    then: readHistoryScope({ kind: 'role', id: '<role>' }),
    else: { if: 'service', then: readHistoryScope({ kind: 'credentials', id: '<service>' }) },
  },
};

/**
 * Which entities a caller may read the history of. Throws InsufficientScopes for a caller who may read none of any, so
 * that it does not even learn how many entries there are.
 */
export function readableHistory(
  caller: Pick<Caller, 'clientId' | 'scopes'>,
): (entity: HistoryEntity) => boolean {
  const { scopes } = caller;
  const isForHistory = (scope: string): boolean =>
    scope.startsWith(PREFIX) || (scope.endsWith('*') && PREFIX.startsWith(scope.slice(0, -1)));
  if (!scopes.some(isForHistory)) throw insufficientScopes(caller, [`${PREFIX}*`], `${PREFIX}*`);
  return (entity) => satisfies(scopes, readHistoryScope(entity));
}
