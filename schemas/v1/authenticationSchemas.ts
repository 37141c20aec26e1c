import {
  clientId,
  date,
  object,
  literal,
  type Schema,
  scopes,
  optionalScopes,
  text,
} from './schemaBuilders.ts';

const METHODS =
  'get post put head delete options trace copy lock mkcol move purge propfind proppatch unlock report mkactivity checkout ' +
  'merge m-search notify subscribe unsubscribe patch search connect';

const hawkRequest = {
  method: { type: 'string', enum: METHODS.split(' ') },
  resource: text,
  host: { type: 'string', format: 'hostname' },
  port: { type: 'integer', minimum: 0, maximum: 65535 },
  authorization: text,
  sourceIp: { type: 'string', oneOf: [{ format: 'ipv6' }, { format: 'ipv4' }] },
};
const success = object(
  { status: literal('auth-success'), scheme: literal('hawk'), clientId, scopes, expires: date, hash: {} },
  ['hash'],
);
const failure = object({ status: literal('auth-failed'), message: text });
const unsigned = object({ status: literal('no-auth'), scheme: literal('none'), scopes, expires: date });

/** The bodies of the methods that authenticate requests, and of those about scopes. */
export const authenticationSchemas: Record<string, Schema> = {
  'authenticate-hawk-request': {
    title: 'A request as it was signed',
    ...object(hawkRequest, ['authorization', 'sourceIp']),
  },
  'older-authenticate-hawk-request': {
    title: 'A request as it was signed',
    ...object(
      { ...hawkRequest, host: { type: 'string', anyOf: [{ format: 'hostname' }, { format: 'ipv4' }] } },
      ['authorization', 'sourceIp'],
    ),
  },
  'authenticate-hawk-response': { title: 'Who signed a request', oneOf: [success, failure, unsigned] },
  'older-authenticate-hawk-response': { title: 'Who signed a request', oneOf: [success, failure] },
  'test-authenticate-request': {
    title: 'What the tester has, and what it needs',
    ...object({ clientScopes: optionalScopes, requiredScopes: optionalScopes }),
  },
  'older-test-authenticate-request': {
    title: 'What the tester has, and what it needs',
    ...object({ clientScopes: optionalScopes, requiredScopes: optionalScopes }, [
      'clientScopes',
      'requiredScopes',
    ]),
  },
  'test-authenticate-response': {
    title: 'Who signed the test',
    ...object({ clientId, scopes: optionalScopes }),
  },
  scopeset: { title: 'Scopes', ...object({ scopes }) },
  'older-scopeset': { title: 'Scopes', ...object({ scopes: optionalScopes }, ['scopes']) },
};
