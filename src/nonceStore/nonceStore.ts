/**
 * The nonces of signed changes, each for as long as its signature would be good, shared by all processes on one machine. It holds
 * no secret, and nothing that another store knows of: a lost one lets requests of the last half hour be sent again, and no more.
 */
export type NonceStore = {
  /**
   * Remembers a nonce until a time (ms since 1970), and says whether it is `new`, or was `seen` before. `full`: there is no room
   * left for this signer, and nothing was remembered. `signer` and `nonce` are any texts.
   */
  remember(what: { signer: string; nonce: string; until: number }, now: Date): Promise<NonceVerdict>;
  close(): Promise<void>;
};

export type NonceVerdict = 'new' | 'seen' | 'full';
