import type { Logger } from 'pino';
import { ApiError } from '../domain/errors.ts';

/** Time limit (ms) for everything that third parties do for one request. */
const TIMEOUT = 8000;

/** What is logged about a call. A caller that gets an error sees the incident id only. */
export type ThirdPartyCall = { service: string; method: string; incidentId: string; log: Logger };

/**
 * Calls third parties with a time limit (ms), which holds even if `ask` ignores the signal. Throws GatewayTimeout if
 * they were too slow, BadGateway if they failed; an ApiError passes through unchanged. What a third party answered is
 * neither shown nor logged, because it may contain a secret.
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

/** The names and numbers of an error and of its first few causes, without any message. */
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
