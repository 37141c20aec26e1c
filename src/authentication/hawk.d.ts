/** Types for the part of hawk 9 that is used here; the package has none. */
declare module 'hawk' {
  import type { KeyObject } from 'node:crypto';

  export type Request = { method: string; url: string; host: string; port: number; authorization?: string };
  export type Credentials = { key: string; algorithm: 'sha256' };
  type CredentialsFunction = (id: string) => Promise<{ key: string | KeyObject; algorithm: 'sha256' }>;
  export type Artifacts = { id: string; ts: string; nonce: string; mac: string; ext?: string; hash?: string };

  const hawk: {
    server: {
      authenticate(
        request: Request,
        credentials: CredentialsFunction,
        options: { timestampSkewSec: number },
      ): Promise<{ artifacts: Artifacts }>;
    };
    uri: {
      authenticate(
        request: Request,
        credentials: CredentialsFunction,
      ): Promise<{ attributes: { id: string; exp: string; ext?: string } }>;
      getBewit(
        uri: string,
        options: { credentials: Credentials & { id: string }; ttlSec: number; ext?: string },
      ): string;
    };
    client: {
      header(
        uri: string,
        method: string,
        options: {
          credentials: Credentials & { id: string };
          ext?: string;
          payload?: string;
          contentType?: string;
          timestamp?: number;
          nonce?: string;
          hash?: string;
        },
      ): { header: string };
    };
    crypto: {
      calculateMac(
        type: 'header' | 'bewit',
        credentials: Credentials,
        options: Partial<Artifacts> & {
          method: string;
          resource: string;
          host: string;
          port: number;
          app?: string;
          dlg?: string;
        },
      ): string;
      calculatePayloadHash(payload: Buffer | string, algorithm: 'sha256', contentType: string): string;
    };
    utils: {
      parseAuthorizationHeader(header: string): Partial<Artifacts>;
      limits: { maxMatchLength: number };
    };
  };
  export default hawk;
}
