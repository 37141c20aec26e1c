import type { Logger } from 'pino';
import type { Schema } from '../../schemas/v1/schemaBuilders.ts';
import type { Endpoint, EndpointRequest } from '../http/endpoint.ts';

/**
 * A service that issues credentials of a third party, declared in one file. `Setting` is what an administrator sets,
 * `Client` is what `open` makes of it, such as the client of the third party's SDK.
 */
export type GuardedService<Setting = unknown, Client = unknown> = {
  /**
   * In lower case with hyphens, such as `aws-s3`. Issued credentials are recorded in the stream `credentials-<name>`.
   */
  name: string;
  /** The environment variable that holds the setting as JSON; `<variable>_FILE` names a file that holds it. */
  variable: string;
  /** A short description of the setting, such as `a list of {accessKeyId, secretAccessKey, buckets}`. */
  needs: string;
  /** The JSON schema of the setting. */
  settingSchema: Schema;
  /** The schemas of its request and response bodies, by name; `older-…` if only the older dialect uses it. */
  schemas: Record<string, Schema>;
  /** Called once, at the first request. It loads the SDK with `import()`. */
  open(setting: Setting): Promise<Client> | Client;
  endpoints: readonly GuardedEndpoint<Client>[];
  /** Recurring jobs, run only if the service is configured. */
  jobs?: readonly GuardedJob<Client>[];
};

/**
 * An endpoint of a guarded service either issues credentials, which are recorded, or reads something that is not
 * secret. It has 8 seconds. An ApiError that it throws is the reply. Any other error counts as a failure of the third
 * party, and the caller learns only that it failed.
 */
export type GuardedEndpoint<Client> = Omit<
  Endpoint,
  'handle' | 'reads' | 'authentication' | 'authorization' | 'stateless' | 'quota'
> &
  (
    | { issue(client: Client, request: GuardedRequest): Promise<IssuedCredentials> }
    | {
        read(client: Client, request: GuardedRequest): Promise<unknown>;
        /** The body if the service is not configured; if it is missing, the reply is a 404. */
        whenNotConfigured?: unknown;
      }
  );

/**
 * A request whose scopes are satisfied. `now` is when the service starts on it. The signal aborts at the time limit:
 * pass it to everything that waits.
 */
export type GuardedRequest = EndpointRequest & { signal: AbortSignal };

/** The reply with the credentials, and what is recorded about them: their target, level and expiry. */
export type IssuedCredentials = { body: unknown; target: string; level?: string; expires: Date };

/** `run` returns how much it did, and ends soon after the signal aborts. `every` is in ms. */
export type GuardedJob<Client> = {
  name: string;
  every: number;
  run(client: Client, context: { now: Date; signal: AbortSignal; log: Logger }): Promise<number>;
};
