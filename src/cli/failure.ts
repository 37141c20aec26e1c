import { ConfigError } from '../config/configError.ts';
import { CopyDiffers } from '../transfer/copyLog.ts';
import { ApiError } from '../domain/errors.ts';
import { OutcomeUnknown, StoreDamaged, StoreUnavailable } from '../storage/storeErrors.ts';
import { UnknownPosition } from '../eventStore/position.ts';
import { BusUnavailable } from '../messageBus/messageBus.ts';
import { ReplayRefused } from '../publisher/replay.ts';
import { RewrittenHistory } from '../readSide/rewrittenHistory.ts';
import { UnsealError } from '../secretStore/secretStore.ts';
import { printable } from './printable.ts';
import { repairHint } from '../storage/storeDamage.ts';
import { UnknownEvent } from '../eventStore/unknownEvent.ts';
import { WorkerFailed } from './workers.ts';

const EXPECTED_FAILURES = [
  ConfigError,
  StoreUnavailable,
  OutcomeUnknown,
  BusUnavailable,
  ReplayRefused,
  RewrittenHistory,
  CopyDiffers,
  UnknownEvent,
  UnknownPosition,
  UnsealError,
  WorkerFailed,
];

/** The text for the terminal: only the message if the user can resolve the failure, the stack trace if it is a bug. */
export function describeFailure(error: unknown): string {
  if (error instanceof StoreDamaged) return `authledger: ${error.message}. ${repairHint(error)}`;
  // It may come from another server, and can have several lines.
  if (error instanceof ApiError)
    return `authledger: ${printable(error.message.replaceAll(/\s*\n\s*/g, ' '))}`;
  const isExpected = EXPECTED_FAILURES.some((kind) => error instanceof kind);
  if (isExpected) return `authledger: ${(error as Error).message}`;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (error instanceof Error && code !== undefined && /^E[A-Z]+$/.test(code))
    return `authledger: ${error.message}`;
  return `authledger: ${error instanceof Error ? error.stack : String(error)}`;
}
