import type { ClientRow } from '../projections/clients.ts';
import type { ClientCreated } from '../schemas/events/clientEvents.ts';
import type { Command } from '../src/command.ts';
import { hasSettings, refuseDoubleStars, refuseStatic } from '../src/domain/client.ts';
import { ApiError } from '../src/domain/errors.ts';

/** For so long (ms) a creation that is sent again is taken for the same one, as Taskcluster has it. */
const SENT_AGAIN_WITHIN = 15 * 60_000;

/**
 * A new client with a new access token. `imported` are facts of its life in another deployment. Sent again, as official clients do
 * when they got no reply, it changes nothing.
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
      if (isSentAgain(data, client, now)) return [];
      throw new ApiError(
        'RequestConflict',
        `client ${input.clientId} already exists: updateClient changes it, resetAccessToken gives it a new token`,
        { clientId: input.clientId },
      );
    }
    return [{ type: 'ClientCreated', data }];
  },
};

/** Whether it asks for what was created here a short while ago, and has not been changed in any way since then. */
function isSentAgain(data: ClientCreated['data'], client: ClientRow, now: Date): boolean {
  return (
    client.revision === client.creationRevision &&
    now.getTime() - Date.parse(client.created) < SENT_AGAIN_WITHIN &&
    data.imported === undefined &&
    hasSettings(client, data)
  );
}
