/** What a signature covers. `resource` is the path with its query, as sent. */
export type SignedRequest = {
  method: string;
  resource: string;
  host: string;
  port: number;
  authorization?: string;
  /** Its source address, according to the service that asks about it. */
  sourceIp?: string;
};

/**
 * A refused signature: the reason, and the request; with method, host and port if the request was to another service.
 */
export type RefusedSignature = {
  reason: string;
  signed: Pick<SignedRequest, 'resource' | 'authorization' | 'sourceIp'> &
    Partial<Pick<SignedRequest, 'method' | 'host' | 'port'>>;
};

/** The caller of a request. An unsigned caller is `anonymous`; its scopes are those of the role `anonymous`. */
export type Caller = { clientId: string; issuer?: string; scopes: readonly string[]; expires?: Date };

/** A request as it was sent: what its signature covers, and the body, which its payload hash may cover. */
export type SentRequest = SignedRequest & { payload: Buffer; contentType: string };
