import asyncapiSpecs from '@asyncapi/specs';
import { expect } from '@jest/globals';
import { Ajv, type Options } from 'ajv';
import addFormats from 'ajv-formats';
import type { Message } from '../src/messageBus/messageBus.ts';

/** What the tests read of an AsyncAPI document. */
export type AsyncapiDocument = {
  asyncapi: string;
  channels: Record<string, { address: string; messages: Record<string, object> }>;
  components: object;
};

function validator(options: Options = {}): Ajv {
  const ajv = new Ajv({ strict: false, allErrors: true, ...options });
  addFormats.default(ajv);
  return ajv;
}

/** What is wrong with a document by AsyncAPI's own schema. */
export function asyncapiProblems(document: AsyncapiDocument): unknown[] {
  const schemas = asyncapiSpecs.schemas as Record<string, object>;
  // It brings the schema of schemas along.
  const validate = validator({ meta: false, validateSchema: false }).compile(schemas[document.asyncapi]!);
  return validate(document) ? [] : validate.errors!;
}

/** A function that expects each message to be exactly one of those that the document has in its channel, with its key and headers. */
export function describedBy(document: AsyncapiDocument): (messages: readonly Message[]) => void {
  const ajv = validator();
  ajv.addSchema({ $id: 'document', components: document.components });
  const described = Object.entries(document.channels).flatMap(([topic, channel]) =>
    Object.keys(channel.messages).map((name) => {
      const part = (path: string) => ajv.compile({ $ref: `document#/components/messages/${name}/${path}` });
      return {
        topic,
        name,
        key: part('bindings/kafka/key'),
        headers: part('headers'),
        value: part('payload'),
      };
    }),
  );
  return (messages) => {
    for (const message of messages) {
      const fits = described.filter(
        ({ topic, key, headers, value }) =>
          topic === message.topic &&
          key(message.key) &&
          headers(message.headers) &&
          value(JSON.parse(message.value)),
      );
      expect({ message, fits: fits.map(({ name }) => name) }).toEqual({
        message,
        fits: [expect.any(String)],
      });
    }
  };
}
