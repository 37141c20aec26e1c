import type { Endpoint } from '../../http/endpoint.ts';

/** The reference document of the current dialect, in Taskcluster's format. */
export function referenceDocument(endpoints: readonly Endpoint[]): object {
  return {
    $schema: '/schemas/common/api-reference-v0.json#',
    serviceName: 'auth',
    apiVersion: 'v1',
    title: 'Auth Service',
    description:
      'Says who may do what: clients, roles, and the signatures of requests. Every change is kept as an event.',
    entries: endpoints.filter(({ dialects }) => dialects.includes('current')).map(entry),
  };
}

function entry({
  name,
  method,
  route,
  query = [],
  title,
  description,
  category,
  stability,
  scopes,
  input,
  output,
}: Endpoint) {
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
