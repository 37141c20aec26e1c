import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { eventSchemas } from '../../schemas/events/eventSchemas.ts';
import type { Event } from '../event.ts';
import { InvalidEvent } from './eventStore.ts';

// A test checks the schemas themselves: each start would wait for that.
const ajv = new Ajv({ strict: true, validateSchema: false });
addFormats.default(ajv);
for (const [type, schema] of Object.entries(eventSchemas)) ajv.addSchema(schema, type);

/**
 * Checks an event's data against its schema in schemas/events. Throws InvalidEvent, whose message contains no values.
 */
export function validateEvent({ type, data }: Event): void {
  const validate = ajv.getSchema(type);
  if (!validate) throw new InvalidEvent(`there is no schema for events of type ${type}`);
  if (!validate(data)) throw new InvalidEvent(`data of ${type} is wrong: ${ajv.errorsText(validate.errors)}`);
}
