import { eventSchemaName, eventSchemaPath, eventSchemas } from '../../../schemas/events/eventSchemas.ts';
import { schemaPath } from '../../../schemas/v1/apiSchemas.ts';
import { bodySchemas } from './bodySchemas.ts';

/** The served schemas, by path: those of bodies and messages, and those of event data. */
export function schemaDocuments(): Record<string, object> {
  const ofEvents = Object.entries(eventSchemas).map(([type, schema]) => [
    eventSchemaPath(type),
    {
      $schema: 'http://json-schema.org/draft-07/schema#',
      $id: eventSchemaName(type),
      title: type,
      ...schema,
    },
  ]);
  return Object.fromEntries([
    ...Object.entries(bodySchemas).map(([name, schema]) => [schemaPath(name), schema]),
    ...ofEvents,
  ]) as Record<string, object>;
}
