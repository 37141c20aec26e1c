import { LAST_USED_TABLE } from './lastUsed.ts';

/** The table in the read store with the state of automatic purging. */
export const PURGE_TABLE = 'purge';

/** Whether a table of the read store is made from the log, so that its checkpoint is a position of it. */
export function isDerived(table: string): boolean {
  return table !== LAST_USED_TABLE && table !== PURGE_TABLE;
}
