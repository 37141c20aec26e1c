/** What a signature covers. `resource` is the path with its query, as sent. */
export type SignedRequest = {
  method: string;
  resource: string;
  host: string;
  port: number;
  authorization?: string;
  /** Where it came from, as the service says that asks about it. */
  sourceIp?: string;
};

/** A signature that was refused: why, and where it was; with method, host and port where it was for another service. */
export type RefusedSignature = {
  reason: string;
  signed: Pick<SignedRequest, 'resource' | 'authorization' | 'sourceIp'> &
    Partial<Pick<SignedRequest, 'method' | 'host' | 'port'>>;
};

/** Who asks. An unsigned caller is `anonymous`; its scopes are those of the role `anonymous`. */
export type Caller = { clientId: string; issuer?: string; scopes: readonly string[]; expires?: Date };

/** A request as it was sent: what its signature covers, and the body that it may cover, too. */
export type SentRequest = SignedRequest & { payload: Buffer; contentType: string };
