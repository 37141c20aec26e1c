import { type Place, PlaceTaken } from './secretStore.ts';

/** An entry is written once: the same token again changes nothing, another one is refused with PlaceTaken. */
export function refuseTaken({ credentialId }: Place, isSame: boolean): void {
  if (!isSame)
    throw new PlaceTaken(
      `the secret store has an entry ${credentialId} already, and entries are never overwritten`,
    );
}
