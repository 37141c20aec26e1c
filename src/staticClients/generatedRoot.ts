import { rmSync } from 'node:fs';
import { configureStaticClient } from '../../commands/configureStaticClient.ts';
import { INTERNAL_PREFIX } from '../../schemas/constants.ts';
import type { Config } from '../config/config.ts';
import { invalid } from '../config/configError.ts';
import { isExpired } from '../domain/client.ts';
import { missingFrom } from '../domain/scopes.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import type { HandleCommand } from '../writeSide/handleCommand.ts';
import { systemContext } from '../writeSide/systemContext.ts';
import { draftPrivateFile } from '../process/privateFile.ts';
import type { Projector } from '../readSide/projector.ts';
import { ROOT_CLIENT_ID, rootCredentials, rootCredentialsFile } from './rootCredentials.ts';
import type { MakeSecret } from '../secretStore/newSecret.ts';
import { clientStream } from '../eventStore/streams.ts';
import { clientSubject } from '../writeSide/subjects.ts';

type Parts = {
  eventStore: EventStore;
  projector: Projector;
  handleCommand: HandleCommand;
  makeSecret: MakeSecret;
};
type Settings = Pick<Config, 'dataDir' | 'staticClients'>;

/**
 * Gives the generated administrator's client a new token, and writes it to its file. The former token is revoked.
 * Returns the path of the file. After an interruption the file may lack the valid token; running this again repairs
 * that. Throws ConfigError if there is no such client.
 */
export async function rotateRoot(parts: Parts, settings: Settings): Promise<string> {
  const { description, scopes } = await generatedRoot(parts, settings);
  const file = rootCredentialsFile(settings.dataDir);
  const secret = parts.makeSecret(ROOT_CLIENT_ID);
  // Written first: if this fails, nothing has changed.
  const draft = await draftPrivateFile(file, rootCredentials(secret.token));
  try {
    await parts.handleCommand({
      command: configureStaticClient,
      subject: clientSubject(ROOT_CLIENT_ID, parts),
      input: {
        clientId: ROOT_CLIENT_ID,
        settings: { description, scopes },
        credential: secret.credential,
      },
      secret,
      context: systemContext('cli'),
    });
    draft.replace();
  } finally {
    draft.discard();
  }
  return file;
}

/**
 * Permanently removes the generated administrator's client: the event in the log keeps later starts from creating it
 * again. Removes the file of its token, and returns the path. Throws ConfigError if there is no such client, or if no
 * other enabled client holds `*`.
 */
export async function retireRoot(parts: Parts, settings: Settings): Promise<string> {
  await generatedRoot(parts, settings);
  await parts.handleCommand({
    command: configureStaticClient,
    subject: clientSubject(ROOT_CLIENT_ID, parts),
    input: { clientId: ROOT_CLIENT_ID, credential: parts.makeSecret(ROOT_CLIENT_ID).credential },
    context: { ...systemContext('cli'), authorize: () => requireAnotherAdministrator(parts.projector) },
  });
  const file = rootCredentialsFile(settings.dataDir);
  rmSync(file, { force: true });
  return file;
}

/** Whether the generated administrator's client was permanently removed, even if its clientId was used again since. */
export async function isRootRetired({ eventStore }: Pick<Parts, 'eventStore'>): Promise<boolean> {
  const { events } = await eventStore.read(clientStream(ROOT_CLIENT_ID));
  return events.some(
    ({ type, metadata }) => type === 'ClientDeleted' && metadata.actor === `${INTERNAL_PREFIX}cli`,
  );
}

async function generatedRoot(parts: Parts, { staticClients, dataDir }: Settings) {
  if (staticClients)
    invalid(
      'STATIC_CLIENTS is set, and says who the static clients are: give one another accessToken there, or leave it out, and start the service again',
    );
  const row = await parts.projector.clients.get(ROOT_CLIENT_ID);
  if (row) return row;
  return invalid(
    (await isRootRetired(parts))
      ? `${ROOT_CLIENT_ID} was retired: STATIC_CLIENTS is the way to a static client`
      : `there is no client ${ROOT_CLIENT_ID} in ${dataDir}: the first start of the service without STATIC_CLIENTS makes it`,
  );
}

async function requireAnotherAdministrator({ clients, roleGraph }: Projector): Promise<void> {
  const now = new Date();
  for await (const { key: clientId, value: client } of clients.all()) {
    if (clientId === ROOT_CLIENT_ID || client.disabled || isExpired(client, now)) continue;
    if (missingFrom(roleGraph.expand(client.scopes), ['*']).length === 0) return;
  }
  invalid(
    `no other client that is enabled and not expired holds the scope \`*\`, so that nobody could do everything here: create one first, or set STATIC_CLIENTS`,
  );
}
