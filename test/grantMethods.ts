import { withSchemaIds } from '../schemas/v1/apiSchemas.ts';
import { arrayOf, object, scopes, text } from '../schemas/v1/schemaBuilders.ts';
import { ApiError } from '../src/domain/errors.ts';
import type { Endpoint } from '../src/http/endpoint.ts';

const grantMethod = {
  dialects: ['authledger'],
  category: 'Grants',
  stability: 'experimental',
  title: 'Grants of a role',
  description: 'A method of a test.',
} as const;

/** Schemas of a service's own methods that tests declare. */
export const grantSchemas = withSchemaIds('authledger', {
  'find-grants-request': object({ scopes, role: text }, ['role']),
  grant: object({ roleId: text, at: text }, ['at']),
  'find-grants-response': object({
    grants: arrayOf('grant'),
    expanded: { $ref: '/schemas/auth/v1/scopeset.json#' },
  }),
});

/** A method of each kind: it reads by its URL, it reads by its body, it changes something. */
export const grantMethods: Endpoint[] = [
  {
    ...grantMethod,
    name: 'grant',
    method: 'get',
    route: '/grants/<roleId>',
    scopes: 'authledger:read-grant:<roleId>',
    reads: true,
    readsPast: [],
    output: 'grant',
    handle: ({ params, query }) => ({ body: { roleId: params['roleId'], at: query['at'] } }),
  },
  {
    ...grantMethod,
    name: 'findGrants',
    method: 'post',
    route: '/grants',
    scopes: 'authledger:find-grants',
    reads: true,
    input: 'find-grants-request',
    output: 'find-grants-response',
    handle: ({ body }) => ({
      body: { grants: [{ roleId: 'found' }], expanded: { scopes: (body as { scopes: string[] }).scopes } },
    }),
  },
  {
    ...grantMethod,
    name: 'changeGrant',
    method: 'post',
    route: '/grants/<roleId>',
    scopes: { AllOf: ['authledger:change-grant:<roleId>', 'held:<stored>'] },
    authorization: 'command',
    handle({ params }) {
      throw new ApiError('ResourceNotFound', `there is no grant of ${params['roleId']}`);
    },
  },
];

/** A method of the Taskcluster Auth API, in both dialects, that can be asked about the past. */
export const pastMethod: Endpoint = {
  ...grantMethod,
  name: 'grantCount',
  dialects: ['older', 'current'],
  method: 'get',
  route: '/grant-count',
  query: ['limit'],
  scopes: 'auth:count-grants',
  reads: true,
  readsPast: [],
  handle: ({ query }) => ({ body: query }),
};
