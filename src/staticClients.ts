import { configureStaticClient } from '../commands/configureStaticClient.ts';
import { STATIC_PREFIX } from '../schemas/constants.ts';
import type { StaticClient } from './jsonSettings.ts';
import type { EventStore } from './eventStore/eventStore.ts';
import type { HandleCommand } from './handleCommand.ts';
import { insideContext } from './insideContext.ts';
import type { Projector } from './project.ts';
import { rootClient, ROOT_CLIENT_ID } from './rootCredentials.ts';
import type { MakeSecret } from './secretStore/newSecret.ts';
import type { SecretStore } from './secretStore/secretStore.ts';
import { clientSubject } from './subjects.ts';

type Parts = {
  eventStore: EventStore;
  secretStore: SecretStore;
  projector: Projector;
  handleCommand: HandleCommand;
  makeSecret: MakeSecret;
};

/**
 * Makes the static clients what configuration says they are, through the log. Without configuration there is one, for
 * the administrator: answers its credentials when this start made it, so that they can be shown once.
 */
export async function synchroniseStaticClients(
  parts: Parts,
  { configured, dataDir }: { configured: StaticClient[] | undefined; dataDir: string },
): Promise<StaticClient | undefined> {
  const root = configured ? undefined : await missingRoot(parts, dataDir);
  const wanted = new Map((configured ?? (root ? [root] : [])).map((client) => [client.clientId, client]));
  for await (const { key: clientId } of parts.projector.clients.all(STATIC_PREFIX)) {
    const isKept = wanted.has(clientId) || (!configured && clientId === ROOT_CLIENT_ID);
    if (!isKept) await configure(parts, clientId, undefined);
  }
  for (const [clientId, client] of wanted) await configure(parts, clientId, client);
  return root;
}

async function missingRoot({ projector }: Parts, dataDir: string): Promise<StaticClient | undefined> {
  return (await projector.clients.get(ROOT_CLIENT_ID)) ? undefined : rootClient(dataDir);
}

async function configure(parts: Parts, clientId: string, client: StaticClient | undefined): Promise<void> {
  const { projector, secretStore, makeSecret, handleCommand } = parts;
  const stored = await projector.clients.get(clientId);
  const place = stored && { clientId, credentialId: stored.credential.id };
  const isLost = place && (await secretStore.get(place)) === undefined;
  const secret = makeSecret(clientId, client?.accessToken);
  const settings = client && { description: client.description, scopes: client.scopes };
  await handleCommand({
    command: configureStaticClient,
    subject: clientSubject(clientId, parts),
    input: {
      clientId,
      settings,
      credential: secret.credential,
      lost: isLost ? place.credentialId : undefined,
    },
    secret: client && secret,
    context: insideContext('static-clients'),
  });
}
