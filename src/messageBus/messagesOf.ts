import type { Recorded } from '../event.ts';
import { cloudEventOf, type PublishedEvent, subjectOf } from './cloudEvent.ts';
import { exchangeOf } from './exchanges.ts';
import type { Message } from './messageBus.ts';

/** The content type of a CloudEvent in structured mode (all of it is JSON). */
export const CLOUD_EVENT_CONTENT_TYPE = 'application/cloudevents+json; charset=UTF-8';
/** The content type of a change message. */
export const CHANGE_MESSAGE_CONTENT_TYPE = 'application/json';

/**
 * The messages that an event is published as: the whole event in the topic `events`, and for a client or role its
 * change message in the topic `messages`. Both have the event's subject as their key.
 */
export function messagesOf(event: Recorded<PublishedEvent>): Message[] {
  const { id, type, data, position } = event;
  const key = subjectOf(data);
  const headers = { position, 'event-id': id };
  const whole: Message = {
    topic: 'events',
    key,
    value: JSON.stringify(cloudEventOf(event)),
    headers: { 'content-type': CLOUD_EVENT_CONTENT_TYPE, ...headers },
  };
  if ('service' in data) return [whole];
  const changed = 'roleId' in data ? { roleId: data.roleId } : { clientId: data.clientId };
  return [
    whole,
    {
      topic: 'messages',
      key,
      value: JSON.stringify({ version: 1, ...changed }),
      headers: { 'content-type': CHANGE_MESSAGE_CONTENT_TYPE, exchange: exchangeOf(type)!, ...headers },
    },
  ];
}
