import type { ServiceName } from '../../../schemas/v1/apiSchemas.ts';
import { type Dialect, type Endpoint, queryOf } from '../../http/endpoint.ts';

type Described = { dialect: Dialect; title: string; description: string };

const SERVICES: Record<ServiceName, Described> = {
  auth: {
    dialect: 'current',
    title: 'Auth Service',
    description:
      'Says who may do what: clients, roles, and the signatures of requests. Every change is kept as an event.',
  },
  authledger: {
    dialect: 'authledger',
    title: 'Authledger Service',
    description:
      'Answers questions about access, now and at any moment of the past, from the log of all changes. ' +
      'Every method asks for its scopes.',
  },
};

/**
 * The reference document of a service, in Taskcluster's format, from which its official clients can be made. That of
 * `auth` has the current dialect, as published.
 */
export function referenceDocument(serviceName: ServiceName, endpoints: readonly Endpoint[]): object {
  const { dialect, title, description } = SERVICES[serviceName];
  return {
    $schema: '/schemas/common/api-reference-v0.json#',
    serviceName,
    apiVersion: 'v1',
    title,
    description,
    entries: endpoints
      .filter(({ dialects }) => dialects.includes(dialect))
      // The published reference does not name `at`.
      .map((endpoint) => entry(endpoint, serviceName === 'auth' ? endpoint.query : queryOf(endpoint))),
  };
}

function entry(endpoint: Endpoint, query: readonly string[] = []) {
  const { name, method, route, title, description, category, stability, scopes, input, output } = endpoint;
  const args = [...route.matchAll(/<([^>]+)>/g)].map((match) => match[1]!);
  return {
    type: 'function',
    name,
    method,
    route,
    args,
    query,
    title,
    description,
    category,
    stability,
    ...(scopes !== undefined && { scopes }),
    ...(input !== undefined && { input: `v1/${input}.json#` }),
    ...(output !== undefined && { output: `v1/${output}.json#` }),
  };
}
