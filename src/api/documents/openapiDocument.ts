import { ERROR_CODES } from '../../domain/errors.ts';
import type { Schema } from '../../../schemas/v1/schemaBuilders.ts';
import { type Dialect, type Endpoint, queryOf, servedIn, URL_PREFIX } from '../../http/endpoint.ts';
import { pathPattern, queryPattern } from '../../http/parameters.ts';

/** All methods of the API, and the schemas of their bodies by name. */
export type DescribedApi = { endpoints: readonly Endpoint[]; schemas: Readonly<Record<string, Schema>> };

/** The OpenAPI 3.1 document of the whole API, in all dialects. */
export function openapiDocument(
  { endpoints, schemas }: DescribedApi,
  { rootUrl, version }: { rootUrl: string; version: string },
): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const endpoint of endpoints) {
    for (const dialect of servedIn(endpoint)) {
      const path = URL_PREFIX[dialect] + endpoint.route.replaceAll(/<([^>]+)>/g, '{$1}');
      paths[path] = { ...paths[path], [endpoint.method]: operation(endpoint, dialect) };
    }
  }
  return {
    openapi: '3.1.0',
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    info: {
      title: 'authledger',
      version,
      description:
        'The Taskcluster Auth API on a log of events: /api/auth/v1 is the current dialect, /v1 the older one. ' +
        'Methods of authledger itself are at /api/authledger/v1.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: rootUrl }],
    tags: [...new Set(endpoints.map(({ category }) => category))].map((name) => ({ name })),
    paths,
    components: {
      schemas: {
        ...Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, component(schema)])),
        error: ERROR,
      },
      securitySchemes: {
        hawk: {
          type: 'apiKey',
          in: 'header',
          name: 'Authorization',
          description: 'A Hawk signature by a client; temporary credentials and limits stand in its `ext`.',
        },
        bewit: {
          type: 'apiKey',
          in: 'query',
          name: 'bewit',
          description: 'A signature in the URL, for GET and HEAD requests.',
        },
      },
    },
  };
}

function operation(endpoint: Endpoint, dialect: Dialect): object {
  const { name, title, description, category, stability, input, scopes, authentication } = endpoint;
  const { output, otherOutput } = endpoint;
  const isDeprecated = stability === 'deprecated' || !endpoint.dialects.includes(dialect);
  const isChange = endpoint.authorization === 'command';
  const ok = { description: title, ...(isChange && { headers: AUTH_POSITION }) };
  return {
    operationId: dialect === 'older' ? `${name}_v1` : name,
    summary: title,
    description:
      scopes === undefined
        ? description
        : `${description}\n\nNeeds the scopes: \`${JSON.stringify(scopes)}\``,
    tags: [category],
    ...(isDeprecated && { deprecated: true }),
    ...(scopes !== undefined && { 'x-taskcluster-scopes': scopes }),
    security: authentication === 'none' ? [] : [{ hawk: [] }, { bewit: [] }, {}],
    parameters: [...parameters(endpoint), ...(endpoint.stateless ? [] : [AT_LEAST])],
    ...(input !== undefined && { requestBody: { required: true, content: json(input) } }),
    responses: {
      ...(output === undefined && isChange
        ? { 204: ok }
        : { 200: { ...ok, content: output === undefined ? ANY : json(output, otherOutput) } }),
      default: { description: 'An error', content: json('error') },
    },
  };
}

function parameters(endpoint: Endpoint): object[] {
  const { route } = endpoint;
  const inPath = [...route.matchAll(/<([^>]+)>/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string', pattern: pathPattern(endpoint, name!).source },
  }));
  const inQuery = queryOf(endpoint).map((name) => ({
    name,
    in: 'query',
    ...(name === 'at' && { description: AT }),
    schema: { type: 'string', pattern: queryPattern(endpoint, name).source },
  }));
  return [...inPath, ...inQuery];
}

/** A schema as a component, with its references, by name or by path, changed to components. */
function component({ $schema: _, $id: __, ...schema }: Record<string, unknown>): object {
  const text = JSON.stringify(schema).replaceAll(
    /"\$ref":"(?:[^"]*\/)?([^"/]+)\.json#"/g,
    '"$ref":"#/components/schemas/$1"',
  );
  return JSON.parse(text) as object;
}

function json(schema: string, other?: string): object {
  const ref = (name: string): object => ({ $ref: `#/components/schemas/${name}` });
  return {
    'application/json': { schema: other === undefined ? ref(schema) : { anyOf: [ref(schema), ref(other)] } },
  };
}

const ANY = { 'application/json': { schema: { type: 'object' } } };
const AUTH_POSITION = {
  'Auth-Position': { description: 'The position of the change in the log.', schema: { type: 'string' } },
};
const AT_LEAST = {
  name: 'Auth-At-Least',
  in: 'header',
  description:
    'Answer only with what is true since this position, which an earlier reply gave as Auth-Position.',
  schema: { type: 'string' },
};
const AT = 'Answer as of this moment: a position in the log, or a time as RFC 3339 writes it.';
const ERROR = {
  type: 'object',
  required: ['code', 'message', 'requestInfo'],
  properties: {
    code: { type: 'string', enum: ERROR_CODES },
    message: { type: 'string' },
    requestInfo: {
      type: 'object',
      description: 'The request that met the error: method, params, payload and time.',
    },
    details: { type: 'object' },
  },
};
