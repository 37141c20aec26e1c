import type { Event } from '../../src/event.ts';

/** A guarded service gave somebody credentials for a target, at a level where it knows several. It holds no secret. */
export type CredentialsIssued = Event<
  'CredentialsIssued',
  { service: string; target: string; level?: string; expires: string }
>;

export type CredentialsEvent = CredentialsIssued;

/** What the names of guarded services look like. */
export const SERVICE_NAME_PATTERN = '^[a-z0-9]+(-[a-z0-9]+)*$';

/** The data of each event in the streams of guarded services, as JSON schemas by event type. */
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
