import { boolean, continuationToken, date, listOf, object, type Schema, text } from '../schemaBuilders.ts';

const credential = object({ id: text, fingerprint: text });
const value = { anyOf: [text, boolean, credential] };

const entry = object(
  {
    position: text,
    id: text,
    type: text,
    at: date,
    actor: text,
    issuer: text,
    requestId: text,
    reason: text,
    sourceIp: text,
    traceparent: text,
    entity: object({ kind: { type: 'string', enum: ['client', 'role', 'credentials'] }, id: text }),
    changes: listOf(
      object(
        {
          field: {
            type: 'string',
            enum: ['description', 'expires', 'deleteOnExpiration', 'disabled', 'credential'],
          },
          before: value,
          after: value,
        },
        ['before', 'after'],
      ),
    ),
    scopesAdded: listOf(text),
    scopesRemoved: listOf(text),
    imported: object({ created: date, lastModified: date, lastRotated: date }, ['created', 'lastRotated']),
    issued: object({ target: text, level: text, expires: date }, ['level']),
  },
  ['issuer', 'reason', 'sourceIp', 'traceparent', 'imported', 'issued'],
);

/** The body of a page of history. */
export const historySchemas: Record<string, Schema> = {
  'history-response': {
    title: 'History',
    ...object(
      {
        entries: listOf(entry),
        hidden: { type: 'integer', minimum: 0 },
        position: text,
        complete: boolean,
        continuationToken,
      },
      ['continuationToken'],
    ),
  },
};
