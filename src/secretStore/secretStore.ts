/**
 * Access tokens, sealed at rest. Every adapter passes test/contracts/secretStore.ts.
 *
 * An entry is written once, under a fresh credentialId, and never gets another token. It is sealed under the keyring's
 * current key and bound to its ref: moved to another ref it cannot be opened.
 */
export type SecretStore = {
  /** Stores a token, durable when it resolves. Throws PlaceTaken when the ref has another token. */
  put(ref: SecretRef, token: string): Promise<void>;

  /** The token; undefined where there is none. Throws UnsealError when it cannot be opened. */
  get(ref: SecretRef): Promise<string | undefined>;

  /** Removes an entry; no error where there is none. */
  destroy(ref: SecretRef): Promise<void>;

  /** Entries in byte order of their credentialIds, without their tokens. */
  list(page: { after?: string; limit: number }): Promise<SecretEntry[]>;

  /** Seals the same token under the keyring's current key; says whether it had been under another one. */
  reseal(ref: SecretRef): Promise<boolean>;

  /**
   * Tries whether the store can be written to: durably writes about as much as a usual change, beside what the store keeps and over
   * what the last try wrote. Throws as writing does.
   */
  probe(): Promise<void>;

  close(): Promise<void>;
};

export type SecretRef = { clientId: string; credentialId: string };
/** `createdAt` is a date in toJSON form. */
export type SecretEntry = SecretRef & { keyId: string; createdAt: string };

/** A ref that another token has already: entries are never overwritten. */
export class SecretExists extends Error {}

/** An entry that was tampered with or moved, or whose key is not in the keyring. Its message tells no secret. */
export class UnsealError extends Error {}
