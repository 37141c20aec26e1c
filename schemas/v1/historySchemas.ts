import { clientId, continuationToken, date, object, type Schema, text } from './schemaBuilders.ts';
import { ROLE_ID_PATTERN } from '../constants.ts';

const version = { enum: [1] };

/** The bodies of the history methods, and the messages about changes. */
export const historySchemas: Record<string, Schema> = {
  'get-entity-history-response': {
    title: 'Changes, oldest first',
    ...object(
      {
        auditHistory: {
          type: 'array',
          items: object({
            clientId: text,
            actionType: text,
            created: date,
            entityId: text,
            entityType: text,
          }),
        },
        continuationToken,
      },
      ['continuationToken'],
    ),
  },
  'client-message': { title: 'A client has changed', ...object({ version, clientId }) },
  'role-message': {
    title: 'A role has changed',
    ...object({ version, roleId: { type: 'string', pattern: ROLE_ID_PATTERN } }),
  },
};
