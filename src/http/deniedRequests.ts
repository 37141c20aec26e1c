import type { Logger } from 'pino';
import { limitLogLines } from '../process/limitLogLines.ts';
import type { RefusedSignature } from '../authentication/signedRequest.ts';

/** For each kind of denial. */
const MAX_LINES_PER_SECOND = 10;
/** Limits (characters) on logged text that the caller controls. */
const MAX_CLIENT_ID_LENGTH = 100;
const MAX_TARGET_LENGTH = 300;
const MAX_REASON_LENGTH = 500;

/** The log message for each kind of denial. The kind is also the field `denied` of the line. */
const MESSAGES = {
  signature: 'request with a refused signature',
  scopes: 'request without the scopes that it needs',
  limit: 'request beyond a limit',
};
export type Denial = RefusedSignature & { kind: keyof typeof MESSAGES };

/** The kind of denial that the status of a reply stands for; undefined if it is none. */
export function denialKind(status: number): Denial['kind'] | undefined {
  if (status === 401) return 'signature';
  if (status === 403) return 'scopes';
  return status === 429 ? 'limit' : undefined;
}

/**
 * Logs denied requests, instead of the usual log line: with the reason, and with the clientId that the signature
 * claims, which is unproven if the signature was refused. The signature itself is never logged.
 */
export function makeLogDenied(log: Logger): (denial: Denial, request: object) => void {
  const limited = (kind: Denial['kind']): ((fields: object) => void) =>
    limitLogLines(log, { maxPerSecond: MAX_LINES_PER_SECOND, message: MESSAGES[kind], countBy: 'sourceIp' });
  const write = { signature: limited('signature'), scopes: limited('scopes'), limit: limited('limit') };
  return ({ kind, reason, signed }, request) => {
    const clientId = claimedClientId(signed);
    const claimed = clientId === undefined ? undefined : printable(clientId, MAX_CLIENT_ID_LENGTH);
    const shownReason = claimed === undefined ? reason : reason.replaceAll(clientId!, claimed);
    const { sourceIp: signerIp } = signed;
    write[kind]({
      denied: kind,
      ...request,
      signerIp,
      judged: judgedRequest(signed),
      claimedClientId: claimed,
      reason: printable(shownReason, MAX_REASON_LENGTH),
    });
  };
}

/** The path of a URL as it is logged. The query is omitted, because it may hold a bewit. */
export function loggedTarget(url: string): string {
  const mark = url.indexOf('?');
  return printable(mark < 0 ? url : url.slice(0, mark), MAX_TARGET_LENGTH);
}

/** The request to another service that the signature was for; undefined if the request was to this service. */
function judgedRequest({ method, host, port, resource }: RefusedSignature['signed']): string | undefined {
  if (method === undefined) return undefined;
  return printable(`${method.toUpperCase()} ${host}:${port}${loggedTarget(resource)}`, MAX_TARGET_LENGTH);
}

/** The clientId in a signature, which may be malformed; undefined if none can be read. */
function claimedClientId({ resource, authorization }: RefusedSignature['signed']): string | undefined {
  if (authorization !== undefined) return /(?:^|[\s,])id="([^"]*)"/.exec(authorization)?.[1];
  const bewit = /[?&]bewit=([^&]*)/.exec(resource)?.[1];
  const parts = bewit === undefined ? [] : Buffer.from(bewit, 'base64url').toString().split('\\');
  return parts.length === 4 ? parts[0] : undefined;
}

/** Truncates a text, and replaces all but printable ASCII, of which clientIds consist, by question marks. */
function printable(text: string, maxLength: number): string {
  return text.slice(0, maxLength).replaceAll(/[^\n -~]/g, '?');
}
