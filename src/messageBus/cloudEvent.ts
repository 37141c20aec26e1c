import { entityOf } from '../../projections/auditEntry.ts';
import type { CredentialsEvent } from '../../schemas/events/credentialsEvents.ts';
import { eventSchemaName } from '../../schemas/events/eventSchemas.ts';
import type { Recorded } from '../event.ts';
import type { AuthEvent } from './exchanges.ts';

/** An event in the form of CloudEvents 1.0. Extension attributes are in lower case, as the specification demands. */
export type CloudEvent = {
  specversion: '1.0';
  id: string;
  source: string;
  type: string;
  subject: string;
  time: string;
  datacontenttype: 'application/json';
  dataschema: string;
  position: string;
  revision: number;
  actor: string;
  requestid: string;
  issuer?: string;
  reason?: string;
  sourceip?: string;
  traceparent?: string;
  data: unknown;
};

/** Every event that is published. */
export type PublishedEvent = AuthEvent | CredentialsEvent;

/** The prefix of the types of our CloudEvents. */
export const CLOUD_EVENT_TYPE_PREFIX = 'authledger.';

/**
 * An event as it is published. It does not depend on the node or the time of publishing; so `source` names the log
 * rather than a node's address.
 */
export function cloudEventOf(event: Recorded<PublishedEvent>): CloudEvent {
  const { id, type, data, position, revision, metadata } = event;
  const { actor, at, requestId, issuer, reason, sourceIp, traceparent } = metadata;
  return {
    specversion: '1.0',
    id,
    source: `/authledger/${position.slice(0, position.indexOf('.'))}`,
    type: CLOUD_EVENT_TYPE_PREFIX + type,
    subject: subjectOf(data),
    time: at,
    datacontenttype: 'application/json',
    dataschema: eventSchemaName(type),
    position,
    revision,
    actor,
    requestid: requestId,
    ...(issuer !== undefined && { issuer }),
    ...(reason !== undefined && { reason }),
    ...(sourceIp !== undefined && { sourceip: sourceIp }),
    ...(traceparent !== undefined && { traceparent }),
    data,
  };
}

/** What an event is about: `client/<clientId>`, `role/<roleId>` or `credentials/<service>`. */
export function subjectOf(data: PublishedEvent['data']): string {
  if ('service' in data) return `credentials/${data.service}`;
  const { entityType, entityId } = entityOf(data);
  return `${entityType}/${entityId}`;
}
