import { MAX_PAGE_SIZE } from '../../constants.ts';
import {
  boolean,
  continuationToken,
  date,
  listOf,
  object,
  oneOf,
  type Schema,
  text,
} from '../schemaBuilders.ts';
import { clientId, moment, roleId, someScopes } from './askedSchemas.ts';

const texts = listOf(text);
const count: Schema = { type: 'integer', minimum: 0 };
const subject = oneOf({ clientId: text, roleId: text });

/** `at` is the time of the event, and `time` the one at which it is judged who had expired. */
const comparedMoment = object({ position: text, at: date, time: date }, ['at']);

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
    gained: texts,
    lost: texts,
    gainedCount: count,
    lostCount: count,
    causes: listOf(cause),
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
        subjects: { ...listOf(oneOf({ clientId, roleId })), minItems: 1, maxItems: MAX_PAGE_SIZE },
        scopes: { ...someScopes, minItems: 1, maxItems: 100, uniqueItems: true },
        limit: { type: 'integer', minimum: 1, maximum: MAX_PAGE_SIZE, default: 100 },
        continuationToken,
      },
      ['to', 'subjects', 'scopes', 'limit', 'continuationToken'],
    ),
  },
  'what-changed-response': {
    title: 'Changes of effective scopes between two moments',
    ...object(
      {
        from: comparedMoment,
        to: comparedMoment,
        changes: listOf(change),
        complete: boolean,
        continuationToken,
      },
      ['continuationToken'],
    ),
  },
};
