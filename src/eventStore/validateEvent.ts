import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { clientEventSchemas } from '../../schemas/events/clientEvents.ts';
import { roleEventSchemas } from '../../schemas/events/roleEvents.ts';
import type { Event } from '../event.ts';
import { InvalidEvent } from './eventStore.ts';

const ajv = new Ajv({ strict: true });
addFormats.default(ajv);
const validators = new Map(
  Object.entries({ ...clientEventSchemas, ...roleEventSchemas }).map(([type, schema]) => [
    type,
    ajv.compile(schema),
  ]),
);

/** Checks an event's data against its schema in schemas/events. Throws InvalidEvent; its message tells no values. */
export function validateEvent({ type, data }: Event): void {
  const validate = validators.get(type);
  if (!validate) throw new InvalidEvent(`there is no schema for events of type ${type}`);
  if (!validate(data)) throw new InvalidEvent(`data of ${type} is wrong: ${ajv.errorsText(validate.errors)}`);
}
