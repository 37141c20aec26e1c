import { createClient } from '../../commands/createClient.ts';
import { deleteClient } from '../../commands/deleteClient.ts';
import { disableClient } from '../../commands/disableClient.ts';
import { enableClient } from '../../commands/enableClient.ts';
import { resetAccessToken } from '../../commands/resetAccessToken.ts';
import { updateClient } from '../../commands/updateClient.ts';
import type { ClientRow } from '../../projections/clients.ts';
import type { ClientSettings } from '../../schemas/events/clientEvents.ts';
import type { Command } from '../command.ts';
import { existing } from '../domain/client.ts';
import type { Sliced, Work } from '../domain/work.ts';
import type { Event } from '../event.ts';
import type { NewSecret } from '../secretStore/newSecret.ts';
import type { Outcome } from '../writeSide/handleCommand.ts';
import { clientSubject } from '../writeSide/subjects.ts';
import type { StoredRow } from '../readStore/readStore.ts';
import type { Endpoint, EndpointReply, EndpointRequest } from '../http/endpoint.ts';
import { entryReply, type ExpandedEntry, expandedOr, type Incomplete } from '../http/expandedEntry.ts';
import { isPaged, keyIn, limitOf, type Listing, piecesOf, tokenFor } from '../http/page.ts';
import { type Services } from './services.ts';
import { contextOf } from '../http/commandContext.ts';
import { workFor } from '../http/workFor.ts';

type Body = Omit<ClientSettings, 'scopes'> & { scopes?: string[] };

/** Clients of a list whose last use is asked for at the same time: that store may be on another machine. */
const SHOWN_AT_ONCE = 16;

type Shown = Omit<ClientRow, 'revision' | 'creationRevision' | 'credential'> &
  ExpandedEntry & { lastDateUsed: string };
type Used = { client: ClientRow; lastDateUsed: string };

/** A client as replies show it, in slices. Throws ExpansionTooLarge unless such clients are noted as incomplete. */
function* shownClient(
  { roleGraph }: Services['projector'],
  { client, lastDateUsed, incomplete }: Used & { incomplete?: Incomplete },
  work: Work,
): Sliced<Shown> {
  const { revision: _, creationRevision: __, credential: ___, ...rest } = client;
  const { clientId: name, scopes } = rest;
  const expand = (counted: Work) => roleGraph.expanding(scopes, counted);
  const expandedScopes = incomplete
    ? yield* expandedOr({ name, scopes, incomplete }, expand, work)
    : yield* expand(work);
  return { ...rest, lastDateUsed, expandedScopes };
}

type Parts = Pick<Services, 'projector' | 'lastUsed' | 'longWork'>;
type Rows = AsyncIterable<StoredRow<ClientRow>> | Iterable<StoredRow<ClientRow>>;

/** Clients as replies show them, all in the order of their clientIds where no rows are given, as a list in pieces. */
export function clientsInPieces(
  { projector, lastUsed, longWork }: Parts,
  {
    rows = projector.clients.all(),
    incomplete = new Set<string>(),
    ...listing
  }: Omit<Listing<Used>, 'show' | 'longWork'> & { rows?: Rows; incomplete?: Incomplete },
): AsyncGenerator<string> {
  return piecesOf(usedClients(lastUsed, rows), {
    ...listing,
    longWork,
    show: (used, work) => shownClient(projector, { ...used, incomplete }, work),
  });
}

async function* usedClients(lastUsed: Services['lastUsed'], rows: Rows): AsyncGenerator<Used> {
  const clients: ClientRow[] = [];
  const used = () =>
    Promise.all(
      clients.splice(0).map(async (client) => ({ client, lastDateUsed: await lastUsed.of(client) })),
    );
  for await (const { value } of rows) {
    if (clients.push(value) === SHOWN_AT_ONCE) yield* await used();
  }
  yield* await used();
}

/** Of these clients, those that are too much to expand, in slices. */
function* incompleteAmong(
  projector: Services['projector'],
  rows: Iterable<StoredRow<ClientRow>>,
  work: Work,
): Sliced<Incomplete> {
  const incomplete: Incomplete = new Set();
  for (const { value } of rows)
    yield* shownClient(projector, { client: value, lastDateUsed: '', incomplete }, work);
  return incomplete;
}

/** The endpoints about clients. */
export function clientEndpoints(services: Services): Endpoint[] {
  const { projector, makeSecret, secretStore, handleCommand, lastUsed, longWork, log } = services;
  const both = { dialects: ['older', 'current'], category: 'Clients', stability: 'stable' } as const;

  async function shown(used: Used & { incomplete?: Incomplete }, request: EndpointRequest): Promise<Shown> {
    return longWork.run(workFor(request), (work) => shownClient(projector, used, work));
  }

  /** What was changed is shown, however much it is. */
  async function replyWithChanged(
    client: ClientRow,
    request: EndpointRequest,
    accessToken: string | undefined,
  ): Promise<EndpointReply> {
    const incomplete: Incomplete = new Set();
    const lastDateUsed = await lastUsed.ofChanged(client);
    const entry = await shown({ client, lastDateUsed, incomplete }, request);
    const told = accessToken === undefined ? entry : { ...entry, accessToken };
    const holdsSecret = accessToken !== undefined;
    return { ...entryReply(told, longWork, workFor(request)), incomplete, holdsSecret };
  }

  type Change<I> = { command: Command<I, ClientRow | undefined, Event>; input: I; secret?: NewSecret };

  function run<I>(request: EndpointRequest, change: Change<I>): Promise<Outcome<ClientRow>> {
    const subject = clientSubject(request.params['clientId']!, services);
    return handleCommand({ ...change, subject, context: contextOf(request) });
  }

  async function change<I>(request: EndpointRequest, change: Change<I>): Promise<EndpointReply> {
    const { row, position } = await run(request, change);
    if (!row) return { body: {}, position };
    return { ...(await replyWithChanged(row, request, change.secret?.token)), position };
  }

  /** Which clients are too much to expand is known before the page begins. */
  async function page(request: EndpointRequest): Promise<EndpointReply> {
    const { query } = request;
    const { prefix, continuationToken } = query;
    const whom = workFor(request);
    const { rows, last } = await projector.clients.list({
      prefix,
      after: keyIn(continuationToken),
      limit: limitOf(query),
    });
    const token = tokenFor(last);
    const incomplete = await longWork.queue(whom, (work) => incompleteAmong(projector, rows, work));
    const pieces = clientsInPieces(services, {
      rows,
      incomplete,
      schema: 'get-client-response',
      name: 'clients',
      rest: token === undefined ? {} : { continuationToken: token },
      whom,
    });
    return { pieces, incomplete };
  }

  /** Nobody keeps so many clients: which are too much to expand is known at the end. */
  function all(request: EndpointRequest): EndpointReply {
    const incomplete: Incomplete = new Set();
    const pieces = clientsInPieces(services, {
      rows: projector.clients.all(request.query['prefix']),
      incomplete,
      schema: 'get-client-response',
      whom: workFor(request),
    });
    return { pieces, incomplete };
  }

  /**
   * Creates a client. Where the same was asked for before, as official clients do when they got no reply, it gives the token that
   * the client was created with. `lost` is the credential whose token was not there in a former try.
   */
  async function create(request: EndpointRequest, lost?: string): Promise<EndpointReply> {
    const clientId = request.params['clientId']!;
    const secret = makeSecret(clientId);
    const { scopes = [], ...settings } = request.body as Body;
    const input = { clientId, ...settings, scopes, credential: secret.credential };
    const outcome = await run(request, { command: createClient, input, secret });
    const row = outcome.row!;
    const credentialId = row.credential.id;
    const isNew = credentialId === secret.credential.id;
    const accessToken = isNew ? secret.token : await secretStore.get({ clientId, credentialId });
    if (accessToken === undefined) {
      if (credentialId === lost)
        throw new Error(`the secret store has no entry ${credentialId}, which client ${clientId} refers to`);
      // A reset meanwhile destroys the token, and then this is a conflict.
      return create(request, credentialId);
    }
    if (!isNew) {
      // Whoever lost the right meanwhile is told no token.
      await request.authorize({ clientId, scopes });
      const { requestId, caller } = request;
      log.info(
        { requestId, clientId, actor: caller.clientId },
        'createClient was sent again: the token that the client was created with is told again',
      );
    }
    return { ...(await replyWithChanged(row, request, accessToken)), position: outcome.position };
  }

  return [
    {
      ...both,
      name: 'listClients',
      dialects: ['current'],
      method: 'get',
      route: '/clients/',
      query: ['prefix', 'continuationToken', 'limit'],
      scopes: 'auth:list-clients',
      reads: true,
      output: 'list-clients-response',
      title: 'List Clients',
      description:
        'A page of clients in the order of their clientIds, at most 1000, all of them or those that begin with `prefix`. ' +
        'A page may be shorter than `limit`, even empty: go on with its `continuationToken` until there is none.',
      handle: (request) => page(request),
    },
    {
      ...both,
      name: 'listClients',
      dialects: ['older'],
      method: 'get',
      route: '/clients/',
      query: ['prefix', 'continuationToken', 'limit'],
      scopes: 'auth:list-clients',
      reads: true,
      output: 'older-list-clients-response',
      otherOutput: 'list-clients-response',
      title: 'List Clients',
      description:
        'All clients in the order of their clientIds, or those that begin with `prefix`. With `limit` or `continuationToken` it ' +
        'answers a page of them, as the method of the current dialect does.',
      handle: (request) => (isPaged(request.query) ? page(request) : all(request)),
    },
    {
      ...both,
      name: 'client',
      method: 'get',
      route: '/clients/<clientId>',
      scopes: 'auth:get-client:<clientId>',
      reads: true,
      output: 'get-client-response',
      title: 'Get Client',
      description: 'One client, with the scopes it has and all that they expand to; never its accessToken.',
      async handle(request) {
        const clientId = request.params['clientId']!;
        const client = existing(await projector.clients.get(clientId), clientId);
        const entry = await shown({ client, lastDateUsed: await lastUsed.of(client) }, request);
        return entryReply(entry, longWork, workFor(request));
      },
    },
    {
      ...both,
      name: 'createClient',
      method: 'put',
      route: '/clients/<clientId>',
      scopes: { AllOf: ['auth:create-client:<clientId>', { for: 'scope', in: 'scopes', each: '<scope>' }] },
      authorization: 'command',
      input: 'create-client-request',
      output: 'create-client-response',
      title: 'Create Client',
      description:
        'Creates a client and gives its `accessToken`, which can never be read again: keep it, or reset it when it is lost. ' +
        'The caller needs all scopes that the client gets. A client that exists already is a conflict, but for the same request ' +
        'within 15 minutes: as long as nothing of the client was changed, it changes nothing and gives the same `accessToken`.',
      handle: (request) => create(request),
    },
    {
      ...both,
      name: 'resetAccessToken',
      method: 'post',
      route: '/clients/<clientId>/reset',
      scopes: 'auth:reset-access-token:<clientId>',
      authorization: 'command',
      revokes: true,
      output: 'create-client-response',
      title: 'Reset Access Token',
      description:
        'Ends the `accessToken` of a client and gives it a new one, which can never be read again.',
      handle(request) {
        const clientId = request.params['clientId']!;
        const secret = makeSecret(clientId);
        const input = { clientId, credential: secret.credential };
        return change(request, { command: resetAccessToken, input, secret });
      },
    },
    {
      ...both,
      name: 'updateClient',
      method: 'post',
      route: '/clients/<clientId>',
      scopes: {
        AllOf: ['auth:update-client:<clientId>', { for: 'scope', in: 'scopesAdded', each: '<scope>' }],
      },
      authorization: 'command',
      input: 'create-client-request',
      output: 'get-client-response',
      title: 'Update Client',
      description:
        'Gives a client new settings; its clientId and accessToken stay, and so do its scopes when none are given. ' +
        'The caller needs the scopes that are added.',
      handle(request) {
        const input = { clientId: request.params['clientId']!, ...(request.body as Body) };
        return change(request, { command: updateClient, input });
      },
    },
    ...[
      {
        name: 'enableClient',
        command: enableClient,
        verb: 'enable',
        title: 'Enable Client',
        description: 'Lets a disabled client authenticate again; nothing happens to one that is enabled.',
      },
      {
        name: 'disableClient',
        command: disableClient,
        verb: 'disable',
        revokes: true as const,
        title: 'Disable Client',
        description: 'Keeps a client from authenticating, at once; nothing happens to one that is disabled.',
      },
    ].map(({ command, verb, ...described }): Endpoint => ({
      ...both,
      ...described,
      method: 'post',
      route: `/clients/<clientId>/${verb}`,
      scopes: `auth:${verb}-client:<clientId>`,
      authorization: 'command',
      output: 'get-client-response',
      handle: (request) => change(request, { command, input: { clientId: request.params['clientId']! } }),
    })),
    {
      ...both,
      name: 'deleteClient',
      method: 'delete',
      route: '/clients/<clientId>',
      scopes: 'auth:delete-client:<clientId>',
      authorization: 'command',
      revokes: true,
      title: 'Delete Client',
      description: 'Removes a client; succeeds also where there is none. Roles that were made for it stay.',
      async handle(request) {
        const input = { clientId: request.params['clientId']! };
        const { position } = await change(request, { command: deleteClient, input });
        return { position };
      },
    },
  ];
}
