import { type SecretRef, SecretExists } from './secretStore.ts';

/** An entry is written once: the same token again changes nothing, another one is refused with PlaceTaken. */
export function refuseOverwrite({ credentialId }: SecretRef, isSame: boolean): void {
  if (!isSame)
    throw new SecretExists(
      `the secret store has an entry ${credentialId} already, and entries are never overwritten`,
    );
}
