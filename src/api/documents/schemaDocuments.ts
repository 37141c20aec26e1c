import { eventSchemaName, eventSchemaPath, eventSchemas } from '../../../schemas/events/eventSchemas.ts';
import { schemaPath } from '../../../schemas/v1/apiSchemas.ts';
import type { Schema } from '../../../schemas/v1/schemaBuilders.ts';

/** The served schemas, by path: these, which are of bodies and messages, and those of event data. */
export function schemaDocuments(schemas: Readonly<Record<string, Schema>>): Record<string, object> {
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
    ...Object.values(schemas).map((schema) => [schemaPath(schema), schema]),
    ...ofEvents,
  ]) as Record<string, object>;
}
