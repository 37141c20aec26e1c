import type { Position } from '../event.ts';

const DIGITS = 20;

/** A position that is not in a log: read models that are at one can say nothing of it. */
export class UnknownPosition extends Error {
  constructor(position: Position, logId: string) {
    super(
      `the log ${logId} has no position ${position}: the read models are another log's, or this log was restored from an older ` +
        'backup. Another log needs another DATA_DIR or COLLECTION_PREFIX. After a restore, a log in a file is taken over with ' +
        '`authledger serve --accept-rewritten-history REASON`; where the log is shared, remove the collection named tables: the read ' +
        'models are built again',
    );
  }
}

/** The position of the nth event of a log (1 is the first); 0 is before them all. */
export function positionOf(logId: string, count: number | bigint): Position {
  return `${logId}.${digits(count)}`;
}

/**
 * A position as a number that grows with the log, exact or nearly, to show how far something has come: in SQLite it counts
 * events, in KurrentDB bytes.
 */
export function amountUpTo(position: Position): number {
  const after = position.slice(position.indexOf('.') + 1);
  return Number(after.slice(0, DIGITS));
}

/** The count in a position of this log. Throws UnknownPosition for another log's: they cannot be compared. */
export function countIn(position: Position, logId: string): bigint {
  return BigInt(digitsIn(position, logId));
}

/** Where an event is in KurrentDB's log: where it was committed, and where it lies, in bytes. */
export type Place = { commit: bigint; prepare: bigint };

/** The position of an event at a place. */
export function positionAt(logId: string, { commit, prepare }: Place): Position {
  return `${logId}.${digits(commit)}${digits(prepare)}`;
}

/** The place in a position of this log. Throws UnknownPosition for another log's: they cannot be compared. */
export function placeIn(position: Position, logId: string): Place {
  const both = digitsIn(position, logId);
  return { commit: BigInt(both.slice(0, DIGITS)), prepare: BigInt(both.slice(DIGITS)) };
}

function digits(number: number | bigint): string {
  return number.toString().padStart(DIGITS, '0');
}

function digitsIn(position: Position, logId: string): string {
  if (!position.startsWith(`${logId}.`)) throw new UnknownPosition(position, logId);
  return position.slice(logId.length + 1);
}

/** Whether a text has the form of a position of the log that begins at `start`. */
export function isPositionOf(text: string, start: Position): boolean {
  const [logId, digits] = start.split('.') as [string, string];
  return new RegExp(`^${logId}\\.[0-9]{${digits.length}}$`).test(text);
}
