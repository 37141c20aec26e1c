import type { Logger } from 'pino';
import { ApiError } from '../domain/errors.ts';

/** How long (ms) third parties have for one request, whatever becomes of it. */
const TIMEOUT = 8000;

/** Who asks, for the log. The incident id is what a caller is told of a failure. */
export type ThirdPartyCall = { service: string; method: string; incidentId: string; log: Logger };

/**
 * Asks third parties, and answers in time even when the signal is ignored. Throws GatewayTimeout when they were too slow, BadGateway
 * when they failed; an ApiError that says more is let through. What a third party said is neither shown nor logged: it may hold
 * a secret.
 */
export async function askThirdParty<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  { log, incidentId, ...about }: ThirdPartyCall,
  timeout = TIMEOUT,
): Promise<T> {
  const controller = new AbortController();
  const { signal } = controller;
  const timedOut = new Promise<never>((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
  );
  const timer = setTimeout(() => controller.abort(), timeout);
  try {
    return await Promise.race([ask(signal), timedOut]);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    const isTimeout = signal.aborted;
    log.warn(
      { incidentId, ...about, ...(!isTimeout && { failure: redactedError(error) }) },
      `a third party ${isTimeout ? 'did not answer in time' : 'failed'}`,
    );
    throw new ApiError(
      isTimeout ? 'GatewayTimeout' : 'BadGateway',
      `${about.service} ${isTimeout ? 'did not answer in time' : 'failed'}: nothing was given, try again; the incident id in this service's log is ${incidentId}`,
    );
  } finally {
    clearTimeout(timer);
  }
}

/** Names and numbers of an error, and none of its texts; and of its causes, as far down as is worth reading. */
function redactedError(error: unknown, causes = 3): object {
  if (!(error instanceof Error)) return { name: typeof error };
  const of = error as Error & {
    code?: unknown;
    status?: unknown;
    statusCode?: unknown;
    $metadata?: { httpStatusCode?: unknown };
    response?: { status?: unknown };
  };
  const status = of.status ?? of.statusCode ?? of.$metadata?.httpStatusCode ?? of.response?.status;
  const { cause } = error;
  return {
    name: safeName(error.name),
    ...(of.code !== undefined && { code: safeName(of.code) }),
    ...(typeof status === 'number' && { status }),
    ...(cause instanceof Error && causes > 0 && { cause: redactedError(cause, causes - 1) }),
  };
}

function safeName(value: unknown): string {
  const isPlain = typeof value === 'string' || typeof value === 'number';
  return isPlain && /^[A-Za-z][A-Za-z0-9_.]{0,47}$|^\d{1,6}$/.test(String(value))
    ? String(value)
    : '(not shown)';
}
