import { configureStaticClient } from '../../commands/configureStaticClient.ts';
import { STATIC_PREFIX } from '../../schemas/constants.ts';
import type { StaticClient } from '../config/jsonSettings.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { isRootRetired } from './generatedRoot.ts';
import type { HandleCommand } from '../writeSide/handleCommand.ts';
import { systemContext } from '../writeSide/systemContext.ts';
import type { Projector } from '../readSide/projector.ts';
import { rootClient, ROOT_CLIENT_ID } from './rootCredentials.ts';
import type { MakeSecret } from '../secretStore/newSecret.ts';
import type { SecretStore } from '../secretStore/secretStore.ts';
import { clientSubject } from '../writeSide/subjects.ts';

type Parts = {
  eventStore: EventStore;
  secretStore: SecretStore;
  projector: Projector;
  handleCommand: HandleCommand;
  makeSecret: MakeSecret;
};

/** The state of the generated administrator's client. */
export type Administrator = {
  /** Set if this start created it, so that its credentials can be shown once. */
  madeRoot?: StaticClient;
  /** Set if it was permanently removed. */
  isRootRetired?: boolean;
};

/**
 * Appends the events that make the static clients match the configuration. Without configuration there is one client,
 * for the administrator, unless it was retired.
 */
export async function synchronizeStaticClients(
  parts: Parts,
  { configured, dataDir }: { configured: StaticClient[] | undefined; dataDir: string },
): Promise<Administrator> {
  const administrator = configured ? {} : await administratorOf(parts, dataDir);
  const { madeRoot: root } = administrator;
  const wanted = new Map((configured ?? (root ? [root] : [])).map((client) => [client.clientId, client]));
  for await (const { key: clientId } of parts.projector.clients.all({ prefix: STATIC_PREFIX })) {
    const isKept = wanted.has(clientId) || (!configured && clientId === ROOT_CLIENT_ID);
    if (!isKept) await configure(parts, clientId, undefined);
  }
  for (const [clientId, client] of wanted) await configure(parts, clientId, client);
  return administrator;
}

async function administratorOf(parts: Parts, dataDir: string): Promise<Administrator> {
  if (await parts.projector.clients.get(ROOT_CLIENT_ID)) return {};
  return (await isRootRetired(parts)) ? { isRootRetired: true } : { madeRoot: rootClient(dataDir) };
}

async function configure(parts: Parts, clientId: string, client: StaticClient | undefined): Promise<void> {
  const { projector, secretStore, makeSecret, handleCommand } = parts;
  const stored = await projector.clients.get(clientId);
  const secretRef = stored && { clientId, credentialId: stored.credential.id };
  const isSecretLost = secretRef && (await secretStore.get(secretRef)) === undefined;
  const secret = makeSecret(clientId, client?.accessToken);
  const settings = client && { description: client.description, scopes: client.scopes };
  await handleCommand({
    command: configureStaticClient,
    subject: clientSubject(clientId, parts),
    input: {
      clientId,
      settings,
      credential: secret.credential,
      lost: isSecretLost ? secretRef.credentialId : undefined,
    },
    secret: client && secret,
    context: systemContext('static-clients'),
  });
}
