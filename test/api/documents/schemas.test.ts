import { describe, expect, test } from '@jest/globals';
import { Ajv } from 'ajv';
import { eventSchemas } from '../../../schemas/events/eventSchemas.ts';
import { bodySchemas } from '../../../src/api/documents/bodySchemas.ts';

const ajv = new Ajv();

describe('JSON Schema takes the schema', () => {
  const bodies = Object.entries(bodySchemas).map(
    // They name Taskcluster's own metaschema, which only says more about documentation than JSON schema's does.
    ([name, { $schema: _, ...schema }]) => [`of the body ${name}`, schema] as const,
  );
  const events = Object.entries(eventSchemas).map(
    ([type, schema]) => [`of the event ${type}`, schema] as const,
  );

  test.each([...bodies, ...events])('%s', (_, schema) => {
    expect({ isValid: ajv.validateSchema(schema), errors: ajv.errors }).toEqual({
      isValid: true,
      errors: null,
    });
  });

  test('and no other', () => {
    expect(ajv.validateSchema({ type: 'object', properties: { a: { type: 'text' } } })).toBe(false);
  });
});
