import { MAX_PAGE_SIZE } from '../../constants.ts';
import { boolean, continuationToken, date, listOf, object, type Schema, text } from '../schemaBuilders.ts';
import { expression, moment } from './askedSchemas.ts';

/** One for each scope of the expression that counts: the scope that is held, and the roles from there. */
const ways = listOf(object({ scope: text, held: text, via: listOf(text) }));

/** The bodies of `whoCan`. */
export const whoCanSchemas: Record<string, Schema> = {
  'who-can-request': {
    title: 'Who can',
    ...object(
      {
        expression,
        at: moment,
        limit: { type: 'integer', minimum: 1, maximum: MAX_PAGE_SIZE, default: 100 },
        continuationToken,
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
        at: date,
        expression,
        clients: listOf(object({ clientId: text, disabled: boolean, expired: boolean, expires: date, ways })),
        roles: listOf(object({ roleId: text, ways })),
        grantors: object({
          clients: listOf(
            object({
              clientId: text,
              disabled: boolean,
              expired: boolean,
              rights: listOf(text),
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
