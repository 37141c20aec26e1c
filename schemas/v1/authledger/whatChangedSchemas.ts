import { CLIENT_ID_PATTERN, MAX_ID_LENGTH, ROLE_ID_PATTERN, SCOPE_PATTERN } from '../../constants.ts';
import { boolean, continuationToken, date, object, type Schema, text } from '../schemaBuilders.ts';

const scope: Schema = { type: 'string', pattern: SCOPE_PATTERN };
const listOfScopes: Schema = { type: 'array', items: scope };
/** A position of the log, or a date with time and zone. */
const moment: Schema = { type: 'string', minLength: 1, maxLength: 64 };
const count: Schema = { type: 'integer', minimum: 0 };

/** A client or a role. */
const subject: Schema = {
  oneOf: [
    object({ clientId: { type: 'string', pattern: CLIENT_ID_PATTERN, maxLength: MAX_ID_LENGTH } }),
    object({ roleId: { type: 'string', pattern: ROLE_ID_PATTERN, maxLength: MAX_ID_LENGTH } }),
  ],
};

const cause: Schema = object(
  {
    position: text,
    at: text,
    type: text,
    subject,
    actor: text,
    issuer: text,
    requestId: text,
    reason: text,
  },
  ['issuer', 'reason'],
);

const change: Schema = object(
  {
    subject,
    gained: listOfScopes,
    lost: listOfScopes,
    gainedCount: count,
    lostCount: count,
    causes: { type: 'array', items: cause },
    expired: date,
    complete: boolean,
  },
  ['expired'],
);

/** The bodies of whatChanged. */
export const whatChangedSchemas: Record<string, Schema> = {
  'what-changed-request': {
    title: 'Two moments, and what to compare',
    ...object(
      {
        from: moment,
        to: moment,
        subjects: { type: 'array', minItems: 1, maxItems: 1000, items: subject },
        scopes: { type: 'array', minItems: 1, maxItems: 100, uniqueItems: true, items: scope },
        limit: { type: 'integer', minimum: 1, maximum: 1000 },
        continuationToken,
      },
      ['to', 'subjects', 'scopes', 'limit', 'continuationToken'],
    ),
  },
  'what-changed-response': {
    title: 'Changes of effective scopes between two moments',
    ...object(
      {
        from: object({ position: text, at: date }, ['at']),
        to: object({ position: text, at: date }, ['at']),
        changes: { type: 'array', items: change },
        complete: boolean,
        continuationToken,
      },
      ['continuationToken'],
    ),
  },
};
