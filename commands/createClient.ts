import type { ClientRow } from '../projections/clients.ts';
import type { ClientCreated } from '../schemas/events/clientEvents.ts';
import type { Command } from '../src/command.ts';
import { hasSettings, refuseDoubleStars, refuseStatic } from '../src/domain/client.ts';
import { ApiError } from '../src/domain/errors.ts';

/** How long (ms) a repeated request counts as a retry of the creation. The time is Taskcluster's. */
const RETRY_WINDOW = 15 * 60_000;

/**
 * Creates a client with a new access token. `imported` holds its dates in another deployment. Idempotent for retries,
 * which official clients send if they got no reply.
 */
export const createClient: Command<ClientCreated['data'], ClientRow | undefined, ClientCreated> = {
  check({ clientId, scopes }) {
    refuseStatic(clientId);
    refuseDoubleStars(scopes);
  },
  authParams: ({ clientId, scopes }) => ({ clientId, scopes }),
  decide(input, client, { now }) {
    const data = { ...input, expires: new Date(input.expires).toJSON() };
    if (client) {
      if (isRetry(data, client, now)) return [];
      throw new ApiError(
        'RequestConflict',
        `client ${input.clientId} already exists: updateClient changes it, resetAccessToken gives it a new token`,
        { clientId: input.clientId },
      );
    }
    return [{ type: 'ClientCreated', data }];
  },
};

/** Whether a request repeats a recent creation of a client that has not been changed since. */
function isRetry(data: ClientCreated['data'], client: ClientRow, now: Date): boolean {
  return (
    client.revision === client.creationRevision &&
    now.getTime() - Date.parse(client.created) < RETRY_WINDOW &&
    data.imported === undefined &&
    hasSettings(client, data)
  );
}
