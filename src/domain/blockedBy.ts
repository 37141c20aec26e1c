import { isExpired } from './client.ts';
import { expandIn } from './expandIn.ts';
import type { RolesSnapshot } from './rolesSnapshot.ts';
import { type ConcreteExpression, missingScopes } from './scopeExpression.ts';
import { missingInSlices } from './scopes.ts';
import { ANONYMOUS, isWithinValidity, lastsTooLong } from './temporaryCredentials.ts';
import type { TimeSliced } from './timeSliced.ts';
import type { WorkBudget } from './workBudget.ts';

/**
 * Why a request is refused whatever the client's own scopes give: the client is disabled, or has expired; or a limit that
 * the request carries. Such a limit `lacks` scopes of the expression, or names scopes that are `notHeld`, which makes the
 * whole request invalid; a certificate may also be outside its time, or `tooLong`: the service refuses one for more than 31
 * days.
 */
export type Block =
  | { by: 'disabled' }
  | { by: 'expired'; expires: string }
  | {
      by: 'certificate';
      lacks: string[];
      notHeld: string[];
      start?: string;
      expiry?: string;
      tooLong?: true;
    }
  | { by: 'authorizedScopes'; lacks: string[]; notHeld: string[] };

/** The limits that a request carries. Times are dates in the form of the API. */
export type Limits = {
  certificate?: { scopes: readonly string[]; start?: string; expiry?: string };
  authorizedScopes?: readonly string[];
};

/** Whose request it is: own scopes, and what else of a client decides. */
type Signer = { held: readonly string[]; disabled?: boolean; expires?: string };

/** What blocks a request for an expression at a time. Throws ExpansionTooLarge. */
export function* blockedBy(
  { signer, limits, expression }: { signer: Signer; limits: Limits; expression: ConcreteExpression },
  { roles, time }: { roles: RolesSnapshot; time: Date },
  work: WorkBudget,
): TimeSliced<Block[]> {
  const blocks: Block[] = [];
  const { held, disabled = false, expires } = signer;
  if (disabled) blocks.push({ by: 'disabled' });
  if (expires !== undefined && isExpired({ expires }, time)) blocks.push({ by: 'expired', expires });
  const { certificate, authorizedScopes } = limits;
  if (certificate) {
    const { scopes, ...times } = certificate;
    const found = yield* limitTo(scopes, held);
    const outside = outsideOf(times, time);
    if (hasEntries(found) || outside) blocks.push({ by: 'certificate', ...found, ...outside });
  }
  if (authorizedScopes) {
    const found = yield* limitTo(authorizedScopes, [...(certificate?.scopes ?? held), ANONYMOUS]);
    if (hasEntries(found)) blocks.push({ by: 'authorizedScopes', ...found });
  }
  return blocks;

  function* limitTo(scopes: readonly string[], from: readonly string[]) {
    const notHeld = yield* missingInSlices(yield* expandIn(roles, from, work), scopes, work);
    const lacks = (yield* missingScopes(expression, yield* expandIn(roles, scopes, work), work)) ?? [];
    return { lacks: [...new Set(lacks)], notHeld };
  }
}

function hasEntries({ lacks, notHeld }: { lacks: string[]; notHeld: string[] }): boolean {
  return lacks.length > 0 || notHeld.length > 0;
}

type Times = { start?: string; expiry?: string };

/** The times of a certificate that is not valid at a time, or never; undefined for one that is. A time may be unknown. */
function outsideOf({ start, expiry }: Times, time: Date): (Times & { tooLong?: true }) | undefined {
  const millis = {
    start: start === undefined ? -Infinity : Date.parse(start),
    expiry: expiry === undefined ? Infinity : Date.parse(expiry),
  };
  const tooLong = start !== undefined && expiry !== undefined && lastsTooLong(millis);
  if (!tooLong && isWithinValidity(millis, time)) return undefined;
  return {
    ...(start !== undefined && { start }),
    ...(expiry !== undefined && { expiry }),
    ...(tooLong && { tooLong }),
  };
}
