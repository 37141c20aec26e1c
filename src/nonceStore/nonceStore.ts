/**
 * The nonces of signed changes, each kept for as long as its signature is valid, shared by all processes on one
 * machine. It holds no secrets and nothing that another store refers to. If it is lost, requests of the last half hour
 * can be replayed, and nothing else is affected.
 */
export type NonceStore = {
  /**
   * Remembers a nonce until a time (ms since 1970). Returns `new`, or `seen` if it was remembered before, or `full` if
   * there is no room left for this signer; then it is not remembered. `signer` and `nonce` may be any text.
   */
  remember(what: { signer: string; nonce: string; until: number }, now: Date): Promise<NonceVerdict>;
  close(): Promise<void>;
};

export type NonceVerdict = 'new' | 'seen' | 'full';
