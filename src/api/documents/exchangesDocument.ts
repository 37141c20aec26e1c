import { EXCHANGE_PREFIX, exchanges } from '../../messageBus/exchanges.ts';

/** The routing key is unused, as in Taskcluster's own reference. */
const ROUTING_KEY = [
  {
    name: 'reserved',
    summary: 'Nothing yet: match it with `#`.',
    multipleWords: true,
    required: false,
  },
];

/** The reference document of the change messages, in Taskcluster's format. */
export function exchangesDocument(): object {
  return {
    $schema: '/schemas/common/exchanges-reference-v0.json#',
    serviceName: 'auth',
    apiVersion: 'v1',
    title: 'Auth Change Messages',
    description:
      'Tells which client or role has changed. Messages are published to the Kafka topic `<prefix>messages`, where the header ' +
      '`exchange` is what an exchange is in Pulse; /asyncapi.json describes the topics.',
    exchangePrefix: EXCHANGE_PREFIX,
    entries: exchanges.map(({ exchange, name, title, description, schema }) => ({
      type: 'topic-exchange',
      exchange,
      name,
      title,
      description,
      routingKey: ROUTING_KEY,
      schema: `v1/${schema}.json#`,
    })),
  };
}
