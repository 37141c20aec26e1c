import { MAX_PAGE_SIZE } from '../../constants.ts';
import { boolean, continuationToken, date, object, type Schema, text } from '../schemaBuilders.ts';

const list = (items: Schema): Schema => ({ type: 'array', items });
const expression = { $ref: '/schemas/authledger/v1/scope-expression.json#' };
/** One for each scope of the expression that counts: the scope that is held, and the roles from there. */
const ways = list(object({ scope: text, held: text, via: list(text) }));

/** The bodies of `whoCan`. */
export const whoCanSchemas: Record<string, Schema> = {
  'who-can-request': {
    title: 'Who can',
    ...object(
      {
        expression,
        at: { type: 'string', pattern: '^[0-9A-Za-z.:+-]{1,64}$' },
        limit: { type: 'integer', minimum: 1, maximum: MAX_PAGE_SIZE, default: 100 },
        continuationToken: { type: 'string', pattern: '^[A-Za-z0-9_-]+$' },
        includeDisabled: { ...boolean, default: false },
      },
      ['at', 'limit', 'continuationToken', 'includeDisabled'],
    ),
  },
  'who-can-response': {
    title: 'Clients and roles that satisfy an expression',
    ...object(
      {
        position: text,
        expression,
        clients: list(object({ clientId: text, disabled: boolean, expired: boolean, expires: date, ways })),
        roles: list(object({ roleId: text, ways })),
        grantors: object({
          clients: list(
            object({
              clientId: text,
              disabled: boolean,
              expired: boolean,
              rights: list(text),
              complete: boolean,
            }),
          ),
          complete: boolean,
        }),
        complete: boolean,
        continuationToken,
      },
      ['grantors', 'continuationToken'],
    ),
  },
};
