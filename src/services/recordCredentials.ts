import type { Logger } from 'pino';
import { v7 as uuid } from 'uuid';
import type { CredentialsIssued } from '../../schemas/events/credentialsEvents.ts';
import { commandContext } from '../http/commandContext.ts';
import type { EndpointRequest } from '../http/endpoint.ts';
import { refusalOf } from '../writeSide/appendRefusal.ts';
import type { DiskReserve } from '../storage/diskReserve.ts';
import type { NewEvent } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import type { Freshness } from '../readSide/freshness.ts';
import { credentialsStream } from '../eventStore/streams.ts';
import type { IssuedCredentials } from './guardedService.ts';

/** Records in the log that a service issues credentials for a request. Resolves once the event is durable. */
export type RecordCredentials = (
  service: string,
  given: IssuedCredentials,
  request: EndpointRequest,
) => Promise<void>;

/**
 * The function throws ServiceUnavailable, or InternalServerError if the outcome is unknown. The credentials must not be
 * sent then.
 */
export function makeRecordCredentials(parts: {
  eventStore: Pick<EventStore, 'append'>;
  freshness: Pick<Freshness, 'assertStillFresh'>;
  diskReserve: Pick<DiskReserve, 'runWrite'>;
  log: Logger;
}): RecordCredentials {
  const { eventStore, freshness, diskReserve, log } = parts;
  return async function recordCredentials(service, { target, level, expires }, request) {
    const event: NewEvent<CredentialsIssued> = {
      id: uuid(),
      type: 'CredentialsIssued',
      data: { service, target, ...(level !== undefined && { level }), expires: expires.toJSON() },
    };
    const { metadata } = commandContext(request);
    // Waiting for the third party took time: do not rely on a read model that has become stale.
    freshness.assertStillFresh();
    try {
      const write = { stream: credentialsStream(service), expectedRevision: 'any' as const, events: [event] };
      await diskReserve.runWrite(false, () => eventStore.append([write], metadata));
    } catch (error) {
      log.warn({ err: error, requestId: metadata.requestId, service }, 'credentials could not be recorded');
      throw refusalOf(error);
    }
  };
}
