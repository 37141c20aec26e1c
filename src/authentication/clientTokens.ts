import type { Logger } from 'pino';
import type { ClientRow } from '../../projections/clients.ts';
import type { Projector } from '../readSide/projector.ts';
import { type SecretStore, UnsealError } from '../secretStore/secretStore.ts';

/** Clients whose tokens one look tries to read: static ones, as whole deployments hang on them, and others by turns. */
const STATIC_PER_PROBE = 3;
const OTHERS_PER_PROBE = 5;
/** Clients that are known to have no token to be read: enough to say so, and to see when it is over. */
const MAX_UNREADABLE = 10;

/** The secret store lacks an entry that a client's row refers to: our fault, never the caller's. */
export class TokenMissing extends Error {}

export type ClientTokens = ReturnType<typeof openClientTokens>;

/** Reads clients' tokens from the secret store, and knows of some for whom that does not work. */
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
    // A reset between the two reads, in another process perhaps, destroys the entry that the row named: the row names
    // another one by now.
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
   * The token of a client's row; undefined where the client has another one by now, or is gone. Throws TokenMissing, and
   * UnsealError where no key opens it.
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
    const known: ClientRow[] = [];
    for (const clientId of [...unreadable.keys()]) {
      const row = await projector.clients.get(clientId);
      if (row) known.push(row);
      else unreadable.delete(clientId);
    }
    const statics = await projector.clients.list({ prefix: 'static/', limit: STATIC_PER_PROBE });
    const others = await projector.clients.list({ after, limit: OTHERS_PER_PROBE });
    after = others.last;
    return [...known, ...[...statics.rows, ...others.rows].map(({ value }) => value)];
  }

  return {
    read,

    /** Tries to read the tokens of some clients, among them those for whom that did not work before. */
    async probe(): Promise<void> {
      for (const client of await clientsToProbe()) {
        await read(client).catch((error: unknown) => {
          if (!(error instanceof TokenMissing || error instanceof UnsealError)) throw error;
        });
      }
    },

    /** Why some clients' tokens cannot be read, as far as it is known. */
    problem(): string | undefined {
      if (unreadable.size === 0) return undefined;
      return [...unreadable.values()].includes('missing')
        ? 'lacks tokens of clients'
        : 'has tokens of clients that none of its keys opens';
    },
  };
}
