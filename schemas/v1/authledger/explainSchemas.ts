import { MAX_ASKED_SCOPE_LENGTH, MAX_ID_LENGTH, ROLE_ID_PATTERN, SCOPE_PATTERN } from '../../constants.ts';
import { boolean, clientId, date, literal, object, type Schema, text } from '../schemaBuilders.ts';
import { moment } from './moment.ts';

const scope: Schema = { type: 'string', pattern: SCOPE_PATTERN, maxLength: MAX_ASKED_SCOPE_LENGTH };
const someScopes: Schema = { type: 'array', items: scope };
const texts: Schema = { type: 'array', items: text };
const roleId: Schema = { type: 'string', pattern: ROLE_ID_PATTERN, maxLength: MAX_ID_LENGTH };
const integer: Schema = { type: 'integer', minimum: 0 };

/** An object with exactly one of these properties. */
function oneOf(properties: Record<string, Schema>): Schema {
  return { ...object(properties, Object.keys(properties)), minProperties: 1, maxProperties: 1 };
}

const source = object(
  { position: text, at: date, actor: text, issuer: text, requestId: text, reason: text },
  ['issuer', 'reason'],
);

const step = object(
  {
    via: { type: 'string', enum: ['client', 'role', 'scopes'] },
    id: text,
    matched: text,
    match: { type: 'string', enum: ['exact', 'role-star', 'held-star'] },
    parameter: text,
    grant: text,
    scope: text,
    returnsTo: texts,
    source,
  },
  ['id', 'matched', 'match', 'parameter', 'returnsTo', 'source'],
);

const explainedScope = object(
  {
    scope: text,
    note: text,
    satisfied: boolean,
    paths: { type: 'array', items: object({ text: texts, steps: { type: 'array', items: step } }) },
    pathCount: integer,
    complete: boolean,
    nearest: texts,
  },
  ['note', 'nearest'],
);

const grantable = object({
  roles: {
    type: 'array',
    items: object({ roleId: text, scope: text, via: texts, gives: texts }),
  },
  changes: {
    type: 'array',
    items: object({ to: oneOf({ clientId: text, roleId: text }), add: texts }),
  },
  complete: boolean,
});

const limits = { lacks: texts, notHeld: texts };
const block: Schema = {
  anyOf: [
    object({ by: literal('disabled') }),
    object({ by: literal('expired'), expires: date }),
    object({ by: literal('authorizedScopes'), ...limits }),
    object({ by: literal('certificate'), ...limits, start: date, expiry: date }, ['start', 'expiry']),
  ],
};

/** The bodies of explain. */
export const explainSchemas: Record<string, Schema> = {
  'explain-request': {
    title: 'A question why somebody has scopes, or has not',
    ...object(
      {
        subject: oneOf({
          clientId: { ...clientId, maxLength: MAX_ID_LENGTH },
          roleId,
          scopes: someScopes,
        }),
        expression: { $ref: 'scope-expression.json#' },
        authorizedScopes: someScopes,
        certificate: object({ scopes: someScopes, start: date, expiry: date }, ['start', 'expiry']),
        at: moment,
        limit: { type: 'integer', minimum: 1, maximum: 100, default: 10 },
      },
      ['authorizedScopes', 'certificate', 'at', 'limit'],
    ),
  },
  'explain-response': {
    title: 'An explanation, true at a position of the log',
    ...object({
      position: text,
      at: date,
      subject: oneOf({ clientId: text, roleId: text, scopes: texts }),
      expression: { $ref: 'scope-expression.json#' },
      satisfied: boolean,
      scopes: { type: 'array', items: explainedScope },
      missing: texts,
      everyoneHas: texts,
      grantable,
      blockedBy: { type: 'array', items: block },
    }),
  },
};
