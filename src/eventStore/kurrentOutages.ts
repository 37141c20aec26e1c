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

type Right = 'append' | 'read $all';

/** Finds the causes of failed calls, and logs them. */
export type KurrentOutages = {
  /** Notes that a call was answered. */
  worked(operation: Operation): void;
  /** Whether no further try can help, because the server and the address differ about TLS or certificates. */
  isHopeless(): Promise<boolean>;
  /** The error of the port for a call that failed for good. Its message names EVENT_STORE_URL and the cause. */
  unavailable(error: unknown, operation: Operation): Promise<StoreUnavailable>;
};

/** What somebody has to change. A server that is starting shows none of these. */
const HOPELESS = new Set<Finding['kind'] | undefined>(['plain', 'tls', 'certificate']);
const SETTING = 'EVENT_STORE_URL';
/** gRPC's status code for a wrong user or password. */
const UNAUTHENTICATED = 16;
const HINTS: Partial<Record<Finding['kind'], string>> = {
  plain: ', and the address does not say tls=false',
  silent: ', and the address does not say tls=false',
  tls: ', and the address says tls=false',
};

/** Nothing is logged until `$all` was read for the first time: until then, a failure ends the start and is shown. */
export function kurrentOutages(
  address: KurrentAddress,
  { log, isClosed }: { log?: Logger | undefined; isClosed(): boolean },
): KurrentOutages {
  let outages = makeOutages();
  let isInUse = false;
  /** Asked once an outage. */
  let canReadStream: Promise<boolean> | undefined;
  /** The latest of this outage. */
  let diagnosis: Promise<Finding | undefined> | undefined;

  /** Undefined also if a file that the address names can no longer be read. */
  async function diagnose(): Promise<Finding | undefined> {
    try {
      return await diagnoseConnection(address.endpoints, address.tls());
    } catch {
      return undefined;
    }
  }

  async function unavailable(error: unknown, operation: Operation): Promise<StoreUnavailable> {
    if (error instanceof StoreUnavailable) return error;
    // No outage: nobody needs the server any more.
    if (isClosed()) return new StoreUnavailable(whyUnavailable(error, undefined), { cause: error });
    if (failureOf(error) !== 'denied') {
      const cause = await outages.connection.failed(async () =>
        whyUnavailable(error, await (diagnosis = diagnose())),
      );
      return new StoreUnavailable(cause, { cause: error });
    }
    // A refusal is an answer.
    outages.connection.ended();
    const right = await deniedRight(error, operation);
    const cause = await outages[right ?? 'user'].failed(async () => whyDenied(right, address));
    return new AccessDenied(cause, { cause: error });
  }

  return {
    worked({ kind }) {
      if (kind === 'read $all' || outages.user.isOngoing()) canReadStream = undefined;
      outages.connection.ended();
      outages.user.ended();
      diagnosis = undefined;
      if (kind === 'read a stream') return;
      outages[kind].ended();
      if (isInUse || kind !== 'read $all') return;
      isInUse = true;
      outages = makeOutages(log);
    },
    async isHopeless() {
      // Another node of a cluster may still be as it should.
      if (address.endpoints.length > 1) return false;
      diagnosis ??= diagnose();
      return HOPELESS.has((await diagnosis)?.kind);
    },
    unavailable,
  };

  /** What the user may not do; undefined if the server refuses the user altogether. */
  async function deniedRight(error: unknown, operation: Operation): Promise<Right | undefined> {
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
    user: explainOutages('KurrentDB refuses the user', log),
    append: explainOutages('KurrentDB refuses changes', log),
    'read $all': explainOutages('KurrentDB refuses to show its log', log),
  };
}

function whyUnavailable(error: unknown, finding: Finding | undefined): string {
  if (finding) return `${SETTING}: ${finding.message}${HINTS[finding.kind] ?? ''}`;
  const { type, name, message } = error as Error & { type?: string };
  const why = error instanceof AnswerTimedOut ? message : (type ?? name);
  return `${SETTING}: KurrentDB cannot be used right now (${why})`;
}

function whyDenied(right: Right | undefined, { hasUser }: KurrentAddress): string {
  if (right !== undefined) return `${SETTING}: the user may not ${right}`;
  return hasUser
    ? `${SETTING}: the user was refused: check user and password`
    : `${SETTING}: callers without a user are refused, and the address has none`;
}
