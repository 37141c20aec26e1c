import type { Logger } from 'pino';
import { limitLines } from '../limitLines.ts';
import type { RefusedSignature } from './endpoint.ts';

/** Lines in a second. */
const MOST_LINES = 10;
/** Characters of what a caller may make as long as it likes. */
const LONGEST_CLIENT_ID = 100;
const LONGEST_REASON = 500;

/**
 * Logs requests with a refused signature, in the place of the line that others have: the reason, and the clientId that the
 * signature claims, which nobody has proved. Of the signature itself nothing is logged.
 */
export function makeLogRefused(log: Logger): (refused: RefusedSignature, request: object) => void {
  const write = limitLines(log, { most: MOST_LINES, message: 'request with a refused signature' });
  return ({ reason, signed }, request) => {
    const clientId = claimedClientId(signed);
    const claimed = clientId === undefined ? undefined : printable(clientId, LONGEST_CLIENT_ID);
    const told = claimed === undefined ? reason : reason.replaceAll(clientId!, claimed);
    const { sourceIp: signerIp } = signed;
    write({ ...request, signerIp, claimedClientId: claimed, reason: printable(told, LONGEST_REASON) });
  };
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
