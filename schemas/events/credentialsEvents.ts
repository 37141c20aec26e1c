import type { Event } from '../../src/event.ts';

/** A guarded service issued credentials for a target, at a level if the service has several. Holds no secret. */
export type CredentialsIssued = Event<
  'CredentialsIssued',
  { service: string; target: string; level?: string; expires: string }
>;

export type CredentialsEvent = CredentialsIssued;

/** The pattern of the names of guarded services. */
export const SERVICE_NAME_PATTERN = '^[a-z0-9]+(-[a-z0-9]+)*$';

/** JSON schemas of the data of the events in the streams of guarded services, by event type. */
export const credentialsEventSchemas: Record<CredentialsEvent['type'], object> = {
  CredentialsIssued: {
    type: 'object',
    properties: {
      service: { type: 'string', pattern: SERVICE_NAME_PATTERN },
      target: { type: 'string' },
      level: { type: 'string' },
      expires: { type: 'string', format: 'date-time' },
    },
    required: ['service', 'target', 'expires'],
    additionalProperties: false,
  },
};
