import { constants, setPriority } from 'node:os';

/** Lets the service go first on a machine that is busy, for commands that read or write everything there is. */
export function inBackground(): void {
  setPriority(constants.priority.PRIORITY_LOW);
}
