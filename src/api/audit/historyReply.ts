import type { AuditEntry } from '../../../projections/auditEntry.ts';
import type { EndpointReply } from '../../http/endpoint.ts';
import { continuationTokenFor } from '../../http/pagination.ts';

/**
 * The reply with a page of history. `next` is the key from which the next page continues; undefined after the last
 * page.
 */
export function historyReply(auditHistory: AuditEntry[], next: string | undefined): EndpointReply {
  const continuationToken = continuationTokenFor(next);
  return { body: { auditHistory, ...(continuationToken !== undefined && { continuationToken }) } };
}
