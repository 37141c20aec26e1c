import type { Endpoint, EndpointReply, EndpointRequest } from '../../http/endpoint.ts';
import type { Incomplete } from '../../http/incomplete.ts';
import { isPaged, keyInContinuationToken, pageLimit, continuationTokenFor } from '../../http/pagination.ts';
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
async function page(parts: ClientReadParts, request: EndpointRequest): Promise<EndpointReply> {
  const { projector, longWork } = parts;
  const { query } = request;
  const { prefix, continuationToken } = query;
  const owner = workFor(request);
  const { rows, last } = await projector.clients.list({
    prefix,
    after: keyInContinuationToken(continuationToken),
    limit: pageLimit(query),
  });
  const token = continuationTokenFor(last);
  const incomplete = await longWork.queue(owner, (work) => findIncompleteClients(projector, rows, work));
  const chunks = clientListChunks(parts, {
    rows,
    incomplete,
    schema: 'get-client-response',
    name: 'clients',
    rest: token === undefined ? {} : { continuationToken: token },
    owner,
  });
  return { chunks, incomplete };
}

/**
 * The whole list is never in memory: clients that are too large to expand are found while it is sent, and named in a
 * trailer.
 */
function all(parts: ClientReadParts, request: EndpointRequest): EndpointReply {
  const incomplete: Incomplete = new Set();
  const chunks = clientListChunks(parts, {
    rows: parts.projector.clients.all({ prefix: request.query['prefix'] }),
    incomplete,
    schema: 'get-client-response',
    owner: workFor(request),
  });
  return { chunks, incomplete };
}
