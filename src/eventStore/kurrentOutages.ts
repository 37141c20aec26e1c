import type { Logger } from 'pino';
import { diagnoseConnection, type Finding } from '../storage/diagnoseConnection.ts';
import { explainOutages } from '../storage/explainOutages.ts';
import { StoreUnavailable } from '../storage/storeErrors.ts';
import type { KurrentAddress } from './kurrentAddress.ts';
import { AccessDenied, AnswerTimedOut, failureOf } from './kurrentFailures.ts';

/**
 * What a call does, because users may be allowed one thing and not another. A read of `$all` brings a check of whether
 * the same user may read a stream.
 */
export type Operation =
  { kind: 'read a stream' } | { kind: 'append' } | { kind: 'read $all'; canReadStream(): Promise<boolean> };

/** Finds the causes of failed calls, and logs them. */
export type KurrentOutages = {
  /** Notes that a call was answered. */
  worked(operation: Operation): void;
  /** The error of the port for a call that failed for good. Its message names EVENT_STORE_URL and the cause. */
  unavailable(error: unknown, operation: Operation): Promise<StoreUnavailable>;
};

const SETTING = 'EVENT_STORE_URL';
/** gRPC's status code for a wrong user or password. */
const UNAUTHENTICATED = 16;
const HINTS: Partial<Record<Finding['kind'], string>> = {
  plain: ', and the address does not say tls=false',
  tls: ', and the address says tls=false',
};

/** Nothing is logged until `$all` was read for the first time: until then, a failure ends the start and is shown. */
export function kurrentOutages(address: KurrentAddress, log?: Logger): KurrentOutages {
  let outages = makeOutages();
  let isInUse = false;
  /** Asked once an outage. */
  let canReadStream: Promise<boolean> | undefined;

  async function unavailable(error: unknown, operation: Operation): Promise<StoreUnavailable> {
    if (error instanceof StoreUnavailable) return error;
    if (failureOf(error) !== 'denied') {
      const cause = await outages.connection.failed(() => whyUnavailable(error, address));
      return new StoreUnavailable(cause, { cause: error });
    }
    const refusedRight = await deniedRight(error, operation);
    const cause = await (refusedRight === undefined
      ? outages.connection.failed(async () => whyRefused(address))
      : outages[refusedRight].failed(async () => `${SETTING}: the user may not ${refusedRight}`));
    return new AccessDenied(cause, { cause: error });
  }

  return {
    worked({ kind }) {
      if (kind === 'read $all' || outages.connection.isOngoing()) canReadStream = undefined;
      outages.connection.ended();
      if (kind === 'read a stream') return;
      outages[kind].ended();
      if (isInUse || kind !== 'read $all') return;
      isInUse = true;
      outages = makeOutages(log);
    },
    unavailable,
  };

  /** What the user may not do; undefined if the server refuses the user altogether. */
  async function deniedRight(
    error: unknown,
    operation: Operation,
  ): Promise<'append' | 'read $all' | undefined> {
    if ((error as { code?: unknown }).code === UNAUTHENTICATED) return undefined;
    if (operation.kind === 'append') return 'append';
    if (operation.kind === 'read a stream') return undefined;
    canReadStream ??= operation.canReadStream();
    return (await canReadStream) ? 'read $all' : undefined;
  }
}

/** Rights are apart from each other: while one is missing, calls that need another may work. */
function makeOutages(log?: Logger) {
  return {
    connection: explainOutages('KurrentDB cannot be used', log),
    append: explainOutages('KurrentDB refuses changes', log),
    'read $all': explainOutages('KurrentDB refuses to show its log', log),
  };
}

async function whyUnavailable(error: unknown, address: KurrentAddress): Promise<string> {
  const finding = await diagnoseConnection(address.endpoints, address.tls()).catch(() => undefined);
  if (finding) return `${SETTING}: ${finding.message}${HINTS[finding.kind] ?? ''}`;
  const { type, name, message } = error as Error & { type?: string };
  const why = error instanceof AnswerTimedOut ? message : (type ?? name);
  return `${SETTING}: KurrentDB cannot be used right now (${why})`;
}

function whyRefused({ hasUser }: KurrentAddress): string {
  return hasUser
    ? `${SETTING}: the user was refused: check user and password`
    : `${SETTING}: callers without a user are refused, and the address has none`;
}
