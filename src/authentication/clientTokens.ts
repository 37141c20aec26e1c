import type { Logger } from 'pino';
import type { ClientRow } from '../../projections/clients.ts';
import type { Projector } from '../readSide/projector.ts';
import { type SecretStore, UnsealError } from '../secretStore/secretStore.ts';

/**
 * Clients whose tokens one probe reads: some static ones, on which whole deployments depend, and some others in turn.
 */
const STATIC_PER_PROBE = 3;
const OTHERS_PER_PROBE = 5;
/** Clients with unreadable tokens that are tracked: enough to report the fault, and to notice its end. */
const MAX_UNREADABLE = 10;

/** The secret store lacks an entry that a client's row refers to: a fault of the service, never of the caller. */
export class TokenMissing extends Error {}

export type ClientTokens = ReturnType<typeof openClientTokens>;

/** Reads clients' tokens from the secret store, and tracks some that cannot be read. */
export function openClientTokens({
  projector,
  secretStore,
  log,
}: {
  projector: Pick<Projector, 'clients' | 'catchUp'>;
  secretStore: Pick<SecretStore, 'get'>;
  log: Logger;
}) {
  const unreadable = new Map<string, 'missing' | 'sealed'>();
  let after: string | undefined;

  async function tokenOf({ clientId, credential }: ClientRow): Promise<string | undefined> {
    const token = await secretStore.get({ clientId, credentialId: credential.id });
    if (token !== undefined) return token;
    // A reset after the row was read, perhaps in another process, destroys the entry. By now, the row names another
    // one.
    await projector.catchUp();
    const current = await projector.clients.get(clientId);
    if (current?.credential.id !== credential.id) return undefined;
    throw new TokenMissing(
      `the secret store has no entry ${credential.id}, which client ${clientId} refers to`,
    );
  }

  function noteUnreadable(clientId: string, err: unknown): void {
    const isMissing = err instanceof TokenMissing;
    if (!isMissing && !(err instanceof UnsealError)) return;
    if (unreadable.has(clientId) || unreadable.size >= MAX_UNREADABLE) return;
    unreadable.set(clientId, isMissing ? 'missing' : 'sealed');
    log.error({ clientId, err }, 'the token of a client cannot be read from the secret store');
  }

  /**
   * The token of a client's row; undefined if the client has another credential by now, or is deleted. Throws
   * TokenMissing, and UnsealError if no key opens it.
   */
  async function read(client: ClientRow): Promise<string | undefined> {
    try {
      const token = await tokenOf(client);
      unreadable.delete(client.clientId);
      return token;
    } catch (error) {
      noteUnreadable(client.clientId, error);
      throw error;
    }
  }

  async function clientsToProbe(): Promise<ClientRow[]> {
    const tracked: ClientRow[] = [];
    for (const clientId of [...unreadable.keys()]) {
      const row = await projector.clients.get(clientId);
      if (row) tracked.push(row);
      else unreadable.delete(clientId);
    }
    const statics = await projector.clients.list({ prefix: 'static/', limit: STATIC_PER_PROBE });
    const others = await projector.clients.list({ after, limit: OTHERS_PER_PROBE });
    after = others.last;
    return [...tracked, ...[...statics.rows, ...others.rows].map(({ value }) => value)];
  }

  return {
    read,

    /** Tries to read the tokens of some clients, including those that could not be read before. */
    async probe(): Promise<void> {
      for (const client of await clientsToProbe()) {
        await read(client).catch((error: unknown) => {
          if (!(error instanceof TokenMissing || error instanceof UnsealError)) throw error;
        });
      }
    },

    /** Why tokens of clients cannot be read; undefined if no such token is known. */
    problem(): string | undefined {
      if (unreadable.size === 0) return undefined;
      return [...unreadable.values()].includes('missing')
        ? 'lacks tokens of clients'
        : 'has tokens of clients that none of its keys opens';
    },
  };
}
