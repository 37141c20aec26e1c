import { boolean, date, listOf, literal, object, oneOf, type Schema, text } from '../schemaBuilders.ts';
import { clientId, expression, moment, roleId, someScopes } from './askedSchemas.ts';

const texts = listOf(text);
const integer: Schema = { type: 'integer', minimum: 0 };

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
    paths: listOf(object({ text: texts, steps: listOf(step) })),
    pathCount: integer,
    complete: boolean,
    nearest: texts,
  },
  ['note', 'nearest'],
);

const grantable = object({
  roles: listOf(object({ roleId: text, scope: text, via: texts, gives: texts })),
  changes: listOf(object({ to: oneOf({ clientId: text, roleId: text }), add: texts })),
  complete: boolean,
});

const limits = { lacks: texts, notHeld: texts };
const block: Schema = {
  anyOf: [
    object({ by: literal('disabled') }),
    object({ by: literal('expired'), expires: date }),
    object({ by: literal('authorizedScopes'), ...limits }),
    object({ by: literal('certificate'), ...limits, start: date, expiry: date, tooLong: boolean }, [
      'start',
      'expiry',
      'tooLong',
    ]),
  ],
};

/** The bodies of explain. */
export const explainSchemas: Record<string, Schema> = {
  'explain-request': {
    title: 'A question why somebody has scopes, or has not',
    ...object(
      {
        subject: oneOf({ clientId, roleId, scopes: someScopes }),
        expression,
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
      expression,
      satisfied: boolean,
      scopes: listOf(explainedScope),
      missing: texts,
      everyoneHas: texts,
      grantable,
      blockedBy: listOf(block),
    }),
  },
};
