import type { AuditEntry } from '../../../projections/auditEntry.ts';
import type { EndpointReply } from '../../http/endpoint.ts';
import { continuationTokenFor } from '../../http/pagination.ts';

/** A page of history; `next` is the place where the next one begins. */
export function historyReply(auditHistory: AuditEntry[], next: string | undefined): EndpointReply {
  const continuationToken = continuationTokenFor(next);
  return { body: { auditHistory, ...(continuationToken !== undefined && { continuationToken }) } };
}
