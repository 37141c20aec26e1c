import type { Position } from '../event.ts';

const DIGITS = 20;

/** A position that this log does not have: read models at such a position say nothing about it. */
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

/** The position of the nth event of a log (n starts at 1); 0 is the position before the first event. */
export function positionOf(logId: string, count: number | bigint): Position {
  return `${logId}.${digits(count)}`;
}

/**
 * A position as a number that grows with the log, to show progress: in SQLite it counts events, in KurrentDB bytes
 * (exact up to 2^53).
 */
export function approximateProgress(position: Position): number {
  const after = position.slice(position.indexOf('.') + 1);
  return Number(after.slice(0, DIGITS));
}

/** About how many events lie between two positions: in KurrentDB, an event takes about 1000 bytes. */
export function approximateDistance(from: Position, to: Position): number {
  const unit = to.length - to.indexOf('.') - 1 === DIGITS ? 1 : 1000;
  return (approximateProgress(to) - approximateProgress(from)) / unit;
}

/** The count in a position of this log. Throws UnknownPosition if the position belongs to another log. */
export function countIn(position: Position, logId: string): bigint {
  return BigInt(digitsIn(position, logId));
}

/** Where an event is in KurrentDB's log, in bytes: its commit position and its prepare position. */
export type KurrentOffsets = { commit: bigint; prepare: bigint };

/** The position of an event at KurrentDB's offsets. */
export function positionOfOffsets(logId: string, { commit, prepare }: KurrentOffsets): Position {
  return `${logId}.${digits(commit)}${digits(prepare)}`;
}

/** KurrentDB's offsets in a position of this log. Throws UnknownPosition if the position belongs to another log. */
export function offsetsIn(position: Position, logId: string): KurrentOffsets {
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

/** Whether a text is formed like the positions of the log that begins at `start`. */
export function isPositionOf(text: string, start: Position): boolean {
  const [logId, digits] = start.split('.') as [string, string];
  return new RegExp(`^${logId}\\.[0-9]{${digits.length}}$`).test(text);
}

/** The greatest position before another one of its log, whether or not there is an event at it. */
export function positionBefore(position: Position): Position {
  const [logId, digits] = position.split('.') as [string, string];
  const before = BigInt(digits) - 1n;
  return `${logId}.${(before > 0n ? before : 0n).toString().padStart(digits.length, '0')}`;
}
