import { ConfigError } from '../configError.ts';
import { ApiError } from '../domain/errors.ts';
import { StoreUnavailable } from '../eventStore/eventStore.ts';

/** What the person at the terminal is told: the message of a failure that is theirs to mend, the stack of one that is ours. */
export function describeFailure(error: unknown): string {
  if (error instanceof ConfigError || error instanceof ApiError || error instanceof StoreUnavailable) {
    return `authledger: ${error.message}`;
  }
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (error instanceof Error && code !== undefined && /^E[A-Z]+$/.test(code))
    return `authledger: ${error.message}`;
  return `authledger: ${error instanceof Error ? error.stack : String(error)}`;
}
