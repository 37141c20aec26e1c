import type { Place } from './secretStore.ts';

/** An entry is written once: the same token again changes nothing, another one is refused with a plain Error. */
export function refuseTaken({ credentialId }: Place, isSame: boolean): void {
  if (!isSame)
    throw new Error(
      `the secret store has an entry ${credentialId} already, and entries are never overwritten`,
    );
}
