import type { Logger } from 'pino';
import { limitLogLines } from '../process/limitLogLines.ts';
import type { RefusedSignature } from '../authentication/signedRequest.ts';

/** Lines of a kind in a second. */
const MOST_LINES = 10;
/** Characters of what a caller may make as long as it likes. */
const LONGEST_CLIENT_ID = 100;
const LONGEST_TARGET = 300;
const LONGEST_REASON = 500;

/** The line's message for each kind of denial, which is also its field `denied`. Each kind has its own lines in a second. */
const MESSAGES = {
  signature: 'request with a refused signature',
  scopes: 'request without the scopes that it needs',
  limit: 'request beyond a limit',
};
export type Denial = RefusedSignature & { kind: keyof typeof MESSAGES };

/** What kind of denial a reply's status tells of; undefined for any other reply. */
export function denialOf(status: number): Denial['kind'] | undefined {
  if (status === 401) return 'signature';
  if (status === 403) return 'scopes';
  return status === 429 ? 'limit' : undefined;
}

/**
 * Logs denied requests, in the place of the line that others have: the reason, and the clientId that the signature claims, which
 * nobody has proved where it was refused. Of the signature itself nothing is logged.
 */
export function makeLogDenied(log: Logger): (denial: Denial, request: object) => void {
  const limited = (kind: Denial['kind']): ((fields: object) => void) =>
    limitLogLines(log, { maxPerSecond: MOST_LINES, message: MESSAGES[kind], countBy: 'sourceIp' });
  const write = { signature: limited('signature'), scopes: limited('scopes'), limit: limited('limit') };
  return ({ kind, reason, signed }, request) => {
    const clientId = claimedClientId(signed);
    const claimed = clientId === undefined ? undefined : printable(clientId, LONGEST_CLIENT_ID);
    const told = claimed === undefined ? reason : reason.replaceAll(clientId!, claimed);
    const { sourceIp: signerIp } = signed;
    write[kind]({
      denied: kind,
      ...request,
      signerIp,
      judged: judgedOf(signed),
      claimedClientId: claimed,
      reason: printable(told, LONGEST_REASON),
    });
  };
}

/** The path of a URL, as far as it is logged: a query may hold a bewit. */
export function targetOf(url: string): string {
  const mark = url.indexOf('?');
  return printable(mark < 0 ? url : url.slice(0, mark), LONGEST_TARGET);
}

/** The request to another service that a signature was for, where it was not for one to this service. */
function judgedOf({ method, host, port, resource }: RefusedSignature['signed']): string | undefined {
  if (method === undefined) return undefined;
  return printable(`${method.toUpperCase()} ${host}:${port}${targetOf(resource)}`, LONGEST_TARGET);
}

/** As far as it can be read: most that is refused is not as it should be. */
function claimedClientId({ resource, authorization }: RefusedSignature['signed']): string | undefined {
  if (authorization !== undefined) return /(?:^|[\s,])id="([^"]*)"/.exec(authorization)?.[1];
  const bewit = /[?&]bewit=([^&]*)/.exec(resource)?.[1];
  const parts = bewit === undefined ? [] : Buffer.from(bewit, 'base64url').toString().split('\\');
  return parts.length === 4 ? parts[0] : undefined;
}

/** Printable ASCII, as clientIds are, with anything else as a question mark. */
function printable(text: string, most: number): string {
  return text.slice(0, most).replaceAll(/[^\n -~]/g, '?');
}
