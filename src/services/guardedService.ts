import type { Logger } from 'pino';
import type { Schema } from '../../schemas/v1/schemaBuilders.ts';
import type { Endpoint, EndpointRequest } from '../http/endpoint.ts';

/**
 * A service that hands out credentials of a third party, all of it in one file. `Setting` is what an administrator sets,
 * `Client` is whatever `open` makes of that, such as the third party's SDK.
 */
export type GuardedService<Setting = unknown, Client = unknown> = {
  /** In lower case with hyphens, such as `aws-s3`: what it gives is recorded in the stream `credentials-<name>`. */
  name: string;
  /** The environment variable that holds the setting as JSON; `<variable>_FILE` names a file that holds it. */
  variable: string;
  /** What an administrator sets it to, in a few words, such as `a list of {accessKeyId, secretAccessKey, buckets}`. */
  needs: string;
  /** What the setting must match. */
  settingSchema: Schema;
  /** The schemas of its bodies, by name; `older-…` where only the older dialect has it. */
  schemas: Record<string, Schema>;
  /** Called once, when the service is first asked for something: the place to load an SDK with `import()`. */
  open(setting: Setting): Promise<Client> | Client;
  endpoints: readonly GuardedEndpoint<Client>[];
  /** What it does now and then, where it is configured. */
  jobs?: readonly GuardedJob<Client>[];
};

/**
 * An endpoint of a guarded service either gives credentials, which are recorded, or tells something that is none. It has
 * 8 seconds. An ApiError that it throws is the answer; any other error is one of the third party, of which the caller is told
 * nothing but that it failed.
 */
export type GuardedEndpoint<Client> = Omit<
  Endpoint,
  'handle' | 'reads' | 'authentication' | 'authorization' | 'stateless' | 'quota'
> &
  (
    | { give(client: Client, request: GuardedRequest): Promise<Given> }
    | {
        tell(client: Client, request: GuardedRequest): Promise<unknown>;
        /** What it tells where the service is not configured; left out, it answers 404 there. */
        whenNotConfigured?: unknown;
      }
  );

/**
 * A request whose scopes are satisfied; `now` is when it is passed on. The signal aborts when there is no more time: it is for
 * everything that is waited for.
 */
export type GuardedRequest = EndpointRequest & { signal: AbortSignal };

/** The reply with the credentials, and what is recorded of them: for what, at which level, and until when they are good. */
export type Given = { body: unknown; target: string; level?: string; expires: Date };

/** Answers how much it did; `every` is in milliseconds. A run ends soon after the signal aborts. */
export type GuardedJob<Client> = {
  name: string;
  every: number;
  run(client: Client, context: { now: Date; signal: AbortSignal; log: Logger }): Promise<number>;
};
