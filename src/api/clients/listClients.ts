import {
  type Endpoint,
  type EndpointReply,
  type EndpointRequest,
  PAST_EXPANSION,
} from '../../http/endpoint.ts';
import type { Incomplete } from '../../http/incomplete.ts';
import { isPaged, pageLimit, pageStart, continuationTokenFor } from '../../http/pagination.ts';
import { allClients, rolesToExpand } from '../../readSide/state.ts';
import { workFor } from '../../http/workFor.ts';
import { clientMethod } from './clientMethod.ts';
import { clientListChunks, type ClientReadParts, findIncompleteClients } from './clientView.ts';

/**
 * `listClients`: always in pages in the current dialect; in the older one, the whole list unless a page is asked for.
 */
export function listClients(parts: ClientReadParts): Endpoint[] {
  return [
    {
      ...clientMethod,
      name: 'listClients',
      dialects: ['current'],
      method: 'get',
      route: '/clients/',
      query: ['prefix', 'continuationToken', 'limit'],
      scopes: 'auth:list-clients',
      reads: true,
      readsPast: PAST_EXPANSION,
      output: 'list-clients-response',
      title: 'List Clients',
      description:
        'A page of clients in the order of their clientIds, at most 1000, all of them or those that begin with `prefix`. ' +
        'A page may be shorter than `limit`, even empty: go on with its `continuationToken` until there is none.',
      handle: (request) => page(parts, request),
    },
    {
      ...clientMethod,
      name: 'listClients',
      dialects: ['older'],
      method: 'get',
      route: '/clients/',
      query: ['prefix', 'continuationToken', 'limit'],
      scopes: 'auth:list-clients',
      reads: true,
      readsPast: PAST_EXPANSION,
      output: 'older-list-clients-response',
      otherOutput: 'list-clients-response',
      title: 'List Clients',
      description:
        'All clients in the order of their clientIds, or those that begin with `prefix`. With `limit` or `continuationToken` it ' +
        'answers a page of them, as the method of the current dialect does.',
      handle: (request) => (isPaged(request.query) ? page(parts, request) : all(parts, request)),
    },
  ];
}

/** A page. Clients that are too large to expand are found before it is sent, and named in a header. */
async function page(
  { requestedState, longWork }: ClientReadParts,
  request: EndpointRequest,
): Promise<EndpointReply> {
  const { query } = request;
  const { prefix, continuationToken } = query;
  const owner = workFor(request);
  const state = await requestedState(request);
  const after = pageStart(continuationToken).key;
  const { rows, last } = await state.clients({ prefix, after, limit: pageLimit(query) });
  const scopeSets = rows.map(({ value }) => value.scopes);
  const roles = await rolesToExpand(state, scopeSets);
  const token = continuationTokenFor(last, state.paged);
  const incomplete = await longWork.queue(owner, (work) => findIncompleteClients(roles, rows, work));
  const chunks = clientListChunks(
    { rows, roles, lastUsed: state.lastUsed },
    {
      incomplete,
      schema: 'get-client-response',
      name: 'clients',
      rest: token === undefined ? {} : { continuationToken: token },
      longWork,
      owner,
    },
  );
  return { chunks, incomplete, moment: state.moment };
}

/**
 * The whole list is never in memory: clients that are too large to expand are found while it is sent, and named in a
 * trailer.
 */
async function all(
  { requestedState, longWork }: ClientReadParts,
  request: EndpointRequest,
): Promise<EndpointReply> {
  const incomplete: Incomplete = new Set();
  const state = await requestedState(request);
  const rows = allClients(state, request.query['prefix']);
  const chunks = clientListChunks(
    { rows, roles: await state.allRoles(), lastUsed: state.lastUsed },
    { incomplete, schema: 'get-client-response', longWork, owner: workFor(request) },
  );
  return { chunks, incomplete, moment: state.moment };
}
