import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CLIENT_ID_PATTERN, ROLE_ID_PATTERN } from '../../schemas/constants.ts';
import { eventSchemas } from '../../schemas/events/eventSchemas.ts';
import { asyncapiDocument } from '../../src/api/documents/asyncapiDocument.ts';
import type { Event, Metadata, Recorded } from '../../src/event.ts';
import { positionOf } from '../../src/eventStore/position.ts';
import type { CloudEvent, PublishedEvent } from '../../src/messageBus/cloudEvent.ts';
import { EXCHANGE_PREFIX, exchangeOf, exchanges } from '../../src/messageBus/exchanges.ts';
import type { Message } from '../../src/messageBus/messageBus.ts';
import { messagesOf } from '../../src/messageBus/messagesOf.ts';
import { messageBatches } from '../../src/publisher/publish.ts';
import { type AsyncapiDocument, describedBy } from '../asyncapiDocument.ts';

const corpus = JSON.parse(
  readFileSync(new URL('../corpus/events-v1.json', import.meta.url), 'utf8'),
) as PublishedEvent[];
const expectDescribed = describedBy(
  asyncapiDocument({ version: '1', topicPrefix: 'p.' }) as AsyncapiDocument,
);
const MOST_BYTES = 1_000_000;

const metadata = fc.record<Metadata, 'actor' | 'at' | 'requestId'>(
  {
    actor: fc.string({ minLength: 1 }),
    at: fc
      .date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-01-01') })
      .map((date) => date.toJSON()),
    requestId: fc.uuid(),
    issuer: fc.string({ minLength: 1 }),
    reason: fc.string(),
    sourceIp: fc.ipV4(),
    traceparent: fc.string(),
  },
  { requiredKeys: ['actor', 'at', 'requestId'] },
);

/** Any event there is, about anything. */
const recorded = fc
  .record({
    event: fc.constantFrom(...corpus),
    clientId: fc.stringMatching(new RegExp(CLIENT_ID_PATTERN)),
    roleId: fc.stringMatching(new RegExp(ROLE_ID_PATTERN)),
    id: fc.uuid(),
    count: fc.nat(),
    revision: fc.nat(),
    metadata,
  })
  .map(({ event, clientId, roleId, count, ...rest }) => {
    const [stream, entity] =
      'service' in event.data
        ? [`credentials-${event.data.service}`, {}]
        : 'roleId' in event.data
          ? ['roles', { roleId }]
          : [`client-${clientId}`, { clientId }];
    return {
      type: event.type,
      data: { ...event.data, ...entity },
      stream,
      position: positionOf('0123456789ab', count),
      ...rest,
    } as Recorded<PublishedEvent>;
  });

function keyOf(data: PublishedEvent['data']): string {
  if ('service' in data) return `credentials/${data.service}`;
  return 'roleId' in data ? `role/${data.roleId}` : `client/${data.clientId}`;
}

describe('the messages of an event', () => {
  test('is all of it as a CloudEvent, and of a client or role its change message, as the AsyncAPI document says', () => {
    fc.assert(
      fc.property(recorded, (event) => {
        const messages = messagesOf(event);
        expectDescribed(messages);
        const [whole, change] = messages as [Message, Message?];
        const { data } = event;
        const key = keyOf(data);
        for (const message of messages)
          expect(message).toMatchObject({ key, headers: { position: event.position, 'event-id': event.id } });
        const changed =
          'roleId' in data ? { roleId: data.roleId } : 'clientId' in data && { clientId: data.clientId };
        expect(change && JSON.parse(change.value)).toEqual(changed ? { version: 1, ...changed } : undefined);
        expect(change?.headers['exchange']).toBe(exchangeOf(event.type));
        const { data: published, ...attributes } = JSON.parse(whole.value) as CloudEvent;
        expect(published).toEqual(data);
        expect(attributes).toMatchObject({ id: event.id, subject: key, time: event.metadata.at });
        expect(attributes.source).toBe('/authledger/0123456789ab');
        const metadataBack = {
          actor: attributes.actor,
          at: attributes.time,
          requestId: attributes.requestid,
          ...(attributes.issuer !== undefined && { issuer: attributes.issuer }),
          ...(attributes.reason !== undefined && { reason: attributes.reason }),
          ...(attributes.sourceip !== undefined && { sourceIp: attributes.sourceip }),
          ...(attributes.traceparent !== undefined && { traceparent: attributes.traceparent }),
        };
        expect(metadataBack).toEqual(event.metadata);
        for (const [name, value] of Object.entries(attributes)) {
          expect(name).toMatch(/^[a-z0-9]{1,20}$/);
          expect(['string', 'number']).toContain(typeof value);
        }
      }),
    );
  });

  test('goes to the brokers in its order, as much at a time as they take', () => {
    const big = fc.record({ event: recorded, size: fc.oneof(fc.nat(100), fc.nat(900 * 1024)) });
    fc.assert(
      fc.property(fc.array(big, { maxLength: 12 }), (drawn) => {
        const events = drawn.map(({ event, size }) => ({
          ...event,
          metadata: { ...event.metadata, reason: 'x'.repeat(size) },
        }));
        const groups = [...messageBatches(events)];
        expect(groups.flatMap(({ messages }) => messages)).toEqual(events.flatMap(messagesOf));
        for (const { messages, position } of groups) {
          expect(position).toBe(messages.at(-1)!.headers['position']);
          const bytes = messages.reduce((sum, { key, value }) => sum + Buffer.byteLength(key + value), 0);
          expect(bytes).toBeLessThan(MOST_BYTES);
        }
      }),
      { numRuns: 30 },
    );
  });
});

test('each event of a client or role is announced by one change message, in the form of Taskcluster', () => {
  const told = Object.keys(eventSchemas).map((type) => [
    type,
    exchangeOf(type)?.slice(EXCHANGE_PREFIX.length),
  ]);
  expect(Object.fromEntries(told)).toEqual({
    ClientCreated: 'client-created',
    ClientUpdated: 'client-updated',
    ClientEnabled: 'client-updated',
    ClientDisabled: 'client-updated',
    AccessTokenReset: 'client-updated',
    ClientDeleted: 'client-deleted',
    ClientExpired: 'client-deleted',
    RoleCreated: 'role-created',
    RoleUpdated: 'role-updated',
    RoleDeleted: 'role-deleted',
    CredentialsIssued: undefined,
  });
  const types = exchanges.flatMap((exchange) => exchange.types);
  expect(new Set(types).size).toBe(types.length);
  expect(exchangeOf('RoleFrozen' satisfies Event['type'])).toBeUndefined();
});
