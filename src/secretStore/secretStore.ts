/**
 * Access tokens, sealed at rest. Every adapter passes test/contracts/secretStore.ts.
 *
 * An entry is written once, under a fresh credentialId, and never overwritten. It is sealed under the keyring's current
 * key and bound to its ref: moved to another one, it cannot be opened.
 */
export type SecretStore = {
  /** Stores a token; durable when it resolves. Throws SecretExists if the entry exists with another token. */
  put(ref: SecretRef, token: string): Promise<void>;

  /** The token; undefined if there is no entry. Throws UnsealError if it cannot be opened. */
  get(ref: SecretRef): Promise<string | undefined>;

  /** Deletes an entry; no error if there is none. */
  destroy(ref: SecretRef): Promise<void>;

  /** Entries in byte order of their credentialIds, without their tokens. */
  list(page: { after?: string; limit: number }): Promise<SecretEntry[]>;

  /** Seals the token under the keyring's current key. Returns whether it was sealed under another one. */
  reseal(ref: SecretRef): Promise<boolean>;

  /**
   * Checks that the store can be written to: durably writes about as much as a usual change, apart from the entries and
   * over the previous probe. Throws as a write does.
   */
  probe(): Promise<void>;

  close(): Promise<void>;
};

export type SecretRef = { clientId: string; credentialId: string };
/** `createdAt` is a date in toJSON form. */
export type SecretEntry = SecretRef & { keyId: string; createdAt: string };

/** An entry exists with another token, and entries are never overwritten. */
export class SecretExists extends Error {
  constructor({ credentialId }: SecretRef) {
    super(`the secret store has an entry ${credentialId} already, and entries are never overwritten`);
  }
}

/** An entry was tampered with or moved, or its key is not in the keyring. The message contains no secret. */
export class UnsealError extends Error {}
