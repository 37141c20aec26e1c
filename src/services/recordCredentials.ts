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
import type { Given } from './guardedService.ts';

/** Resolves when the log says durably that a service gives these credentials for a request. */
export type RecordCredentials = (service: string, given: Given, request: EndpointRequest) => Promise<void>;

/** Throws ServiceUnavailable, and InternalServerError where it may have been recorded: none are to be given then. */
export function makeRecordCredentials(parts: {
  eventStore: Pick<EventStore, 'append'>;
  freshness: Pick<Freshness, 'stillFresh'>;
  diskReserve: Pick<DiskReserve, 'writing'>;
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
    // Not on the word of somebody who may have lost all rights while a third party was asked.
    freshness.stillFresh();
    try {
      const write = { stream: credentialsStream(service), expectedRevision: 'any' as const, events: [event] };
      await diskReserve.writing(false, () => eventStore.append([write], metadata));
    } catch (error) {
      log.warn({ err: error, requestId: metadata.requestId, service }, 'credentials could not be recorded');
      throw refusalOf(error);
    }
  };
}
