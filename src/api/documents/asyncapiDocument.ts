import { CLIENT_ID_PATTERN, POSITION_PATTERN, ROLE_ID_PATTERN } from '../../../schemas/constants.ts';
import { credentialsEventSchemas, SERVICE_NAME_PATTERN } from '../../../schemas/events/credentialsEvents.ts';
import { eventSchemaName, eventSchemas } from '../../../schemas/events/eventSchemas.ts';
import { roleEventSchemas } from '../../../schemas/events/roleEvents.ts';
import { authSchemas } from '../../../schemas/v1/apiSchemas.ts';
import { CLOUD_EVENT_TYPE_PREFIX } from '../../messageBus/cloudEvent.ts';
import { EXCHANGE_PREFIX, type Exchange, exchanges } from '../../messageBus/exchanges.ts';
import { topicName, type Topic } from '../../messageBus/messageBus.ts';
import { CHANGE_MESSAGE_CONTENT_TYPE, CLOUD_EVENT_CONTENT_TYPE } from '../../messageBus/messagesOf.ts';

const DELIVERY = [
  'Every change is published, in the order of the log, and none is left out, however long Kafka was away.',
  'The key is what the change is about, `client/<clientId>`, `role/<roleId>` or `credentials/<service>`: all of a key is in one partition, in order, as',
  'long as nobody changes the number of partitions. Changes of different keys are in order where their `position` is.',
  'Delivery is at least once: after a crash, what was not acknowledged is published again, and an operator can publish again',
  'from any position. A repeat bears the same `event-id`; leave out an id that you have seen, or a `position` that is not after the last one',
  'of its key. Positions sort as text. No message holds a secret. What messages hold is only ever extended: pass over what you do not know.',
].join(' ');

const text = { type: 'string' };
const dateTime = { type: 'string', format: 'date-time' };
const uuid = { type: 'string', format: 'uuid' };
const position = {
  type: 'string',
  pattern: POSITION_PATTERN,
  description: 'The place in the log. It sorts as text.',
};

/** The AsyncAPI 3 document of the messages that are published to Kafka. */
export function asyncapiDocument({ version, topicPrefix }: { version: string; topicPrefix: string }): object {
  const eventNames = Object.keys(eventSchemas);
  const channel = (topic: Topic, about: { title: string; description: string; names: string[] }): object => {
    const address = topicName(topicPrefix, topic);
    return {
      address,
      title: about.title,
      description: `${about.description} ${DELIVERY}`,
      messages: Object.fromEntries(about.names.map((name) => [name, ref('messages', name)])),
      bindings: { kafka: { topic: address, bindingVersion: '0.5.0' } },
    };
  };
  const operation = (topic: Topic, summary: string): object => ({
    action: 'send',
    channel: { $ref: `#/channels/${topic}` },
    summary,
  });
  return {
    asyncapi: '3.0.0',
    id: 'urn:authledger',
    info: {
      title: 'authledger',
      version,
      description: `What changes at the service, for other systems. ${DELIVERY}`,
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    channels: {
      events: channel('events', {
        title: 'Every change, and all credentials that were given, whole',
        description:
          'CloudEvents 1.0 in structured mode. The topic keeps all of them, from the first one on.',
        names: eventNames,
      }),
      messages: channel('messages', {
        title: 'What has changed',
        description:
          "Taskcluster's change messages: the header `exchange` says what happened, the value to whom.",
        names: exchanges.map(({ name }) => name),
      }),
    },
    operations: {
      publishEvents: operation('events', 'Publishes every event.'),
      publishMessages: operation('messages', 'Publishes who has changed.'),
    },
    components: {
      messages: {
        ...Object.fromEntries(eventNames.map((type) => [type, eventMessage(type)])),
        ...Object.fromEntries(exchanges.map((exchange) => [exchange.name, changeMessage(exchange)])),
      },
      schemas: {
        ...Object.fromEntries(Object.entries(eventSchemas)),
        ...Object.fromEntries(
          exchanges.map(({ schema }) => [schema, withoutSchemaIds(authSchemas[schema]!)]),
        ),
      },
    },
  };
}

function ref(kind: 'messages' | 'schemas', name: string): object {
  return { $ref: `#/components/${kind}/${name}` };
}

function eventMessage(type: string): object {
  const entity = entityOf(type);
  return {
    name: type,
    title: type,
    summary: `The event ${type}, as a CloudEvent.`,
    contentType: CLOUD_EVENT_CONTENT_TYPE,
    headers: headers({ 'content-type': { const: CLOUD_EVENT_CONTENT_TYPE } }),
    payload: {
      type: 'object',
      properties: {
        specversion: { const: '1.0' },
        id: { ...uuid, description: 'The same whenever it is published.' },
        source: { type: 'string', format: 'uri-reference', description: 'Names the log.' },
        type: { const: CLOUD_EVENT_TYPE_PREFIX + type },
        subject: keyOf(entity),
        time: { ...dateTime, description: "The request's time. It may run backwards: order is position." },
        datacontenttype: { const: 'application/json' },
        dataschema: { const: eventSchemaName(type) },
        position,
        revision: { type: 'integer', minimum: 0, description: "The event's number in its stream." },
        actor: { ...text, description: 'Who made the change, or was given the credentials.' },
        requestid: text,
        issuer: { ...text, description: 'Who signed the temporary credentials of the actor.' },
        reason: text,
        sourceip: text,
        traceparent: text,
        data: ref('schemas', type),
      },
      required: [
        ...['specversion', 'id', 'source', 'type', 'subject', 'time', 'datacontenttype', 'dataschema'],
        ...['position', 'revision', 'actor', 'requestid', 'data'],
      ],
    },
    bindings: { kafka: { key: keyOf(entity), bindingVersion: '0.5.0' } },
  };
}

function changeMessage({ exchange, name, title, description, schema }: Exchange): object {
  const entity = schema === 'role-message' ? 'role' : 'client';
  return {
    name,
    title,
    summary: description,
    contentType: CHANGE_MESSAGE_CONTENT_TYPE,
    headers: headers({
      'content-type': { const: CHANGE_MESSAGE_CONTENT_TYPE },
      exchange: { const: EXCHANGE_PREFIX + exchange },
    }),
    payload: ref('schemas', schema),
    bindings: { kafka: { key: keyOf(entity), bindingVersion: '0.5.0' } },
  };
}

function headers(own: Record<string, object>): object {
  const properties = { ...own, position, 'event-id': uuid };
  return { type: 'object', properties, required: Object.keys(properties) };
}

/** Patterns for the ids of each kind of entity that events are about. */
const ID_PATTERNS = { client: CLIENT_ID_PATTERN, role: ROLE_ID_PATTERN, credentials: SERVICE_NAME_PATTERN };
type Entity = keyof typeof ID_PATTERNS;

function keyOf(entity: Entity): object {
  return { type: 'string', pattern: ID_PATTERNS[entity].replace('^', `^${entity}/`) };
}

function entityOf(type: string): Entity {
  if (Object.hasOwn(credentialsEventSchemas, type)) return 'credentials';
  return Object.hasOwn(roleEventSchemas, type) ? 'role' : 'client';
}

/** A schema of the API without the properties that only Taskcluster's tools understand. */
function withoutSchemaIds({ $schema: _, $id: __, ...schema }: Record<string, unknown>): object {
  return schema;
}
