import type { LongWork, WorkFor } from '../process/longWork.ts';
import type { EndpointReply } from './endpoint.ts';
import { isLongScopeSet } from './scopesJson.ts';
import { scopesReply } from './scopesReply.ts';

/** A client or role as replies show it, with the scopes that it expands to. */
export type ExpandedEntry = { scopes: readonly string[]; expandedScopes: readonly string[] };

/** The reply with one entry; long ones are streamed. */
export function entryReply(
  { expandedScopes, ...rest }: ExpandedEntry,
  longWork: LongWork,
  owner: WorkFor,
): EndpointReply {
  if (!isLongScopeSet(expandedScopes)) return { body: { ...rest, expandedScopes } };
  return scopesReply({ ...aroundExpandedScopes(rest), scopes: expandedScopes }, longWork, owner);
}

/** The JSON text of an entry before and after its expanded scopes. */
export function aroundExpandedScopes(rest: object): { before: string; after: string } {
  return { before: `${JSON.stringify(rest).slice(0, -1)},"expandedScopes":`, after: '}' };
}
