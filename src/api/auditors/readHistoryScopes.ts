import { ApiError } from '../../domain/errors.ts';
import { fenced } from '../../domain/markdown.ts';
import { satisfies } from '../../domain/scopes.ts';
import type { ScopeExpression } from '../../domain/scopeExpression.ts';
import type { Caller } from '../../authentication/signedRequest.ts';
import { insufficientScopes } from '../../http/insufficientScopes.ts';
import type { HistoryEntity } from '../../readSide/historyEntity.ts';
import type { HistorySelection } from '../../readSide/historyEvents.ts';
import { kindsOf } from './historyFilter.ts';

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

/** What a caller may read: the history of an entity, or of all entities of a kind whose ids begin with a prefix. */
type ReadableHistory = {
  mayRead(entity: HistoryEntity): boolean;
  mayReadAll(selection: HistorySelection): boolean;
};

/**
 * What a caller may read the history of. Throws InsufficientScopes for a caller who may read none of any, so that it does
 * not even learn how many entries there are; and, for a prefix, unless it may read everything with that prefix: it would
 * learn whether there are others.
 */
export function readableHistory(
  caller: Pick<Caller, 'clientId' | 'scopes'>,
  { prefix, ...filter }: HistorySelection,
): ReadableHistory {
  const { scopes } = caller;
  const isForHistory = (scope: string): boolean =>
    scope.startsWith(PREFIX) || (scope.endsWith('*') && PREFIX.startsWith(scope.slice(0, -1)));
  if (!scopes.some(isForHistory)) throw lacksAll(caller);
  if (prefix !== undefined) {
    const required = scopesForAll({ prefix, ...filter });
    const missing = required.filter((scope) => !satisfies(scopes, scope));
    if (missing.length > 0) throw insufficientScopes(caller, missing, { AllOf: required });
  }
  return {
    mayRead: (entity) => satisfies(scopes, readHistoryScope(entity)),
    mayReadAll: (selection) => scopesForAll(selection).every((scope) => satisfies(scopes, scope)),
  };
}

/** The error for a caller that has no scope for any history: it needs one, however narrow. */
function lacksAll({ clientId }: Pick<Caller, 'clientId'>): ApiError {
  const form = `${PREFIX}<client|role|credentials>/<id>`;
  return new ApiError(
    'InsufficientScopes',
    `client ${clientId} does not have sufficient scopes; it needs at least one of this form, which may end in a star:\n\n` +
      fenced(form),
    { clientId, missing: [form] },
  );
}

/** The scopes for all that is selected. */
function scopesForAll(selection: HistorySelection): string[] {
  const { entity, prefix = '' } = selection;
  if (entity) return [readHistoryScope(entity)];
  return kindsOf(selection).map((kind) => readHistoryScope({ kind, id: `${prefix}*` }));
}
