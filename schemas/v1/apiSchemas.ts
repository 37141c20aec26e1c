import { authenticationSchemas } from './authenticationSchemas.ts';
import { clientSchemas } from './clientSchemas.ts';
import { historySchemas } from './historySchemas.ts';
import type { Schema } from './schemaBuilders.ts';
import { roleSchemas } from './roleSchemas.ts';

/** The path at which a schema is served, which is also its `$id`. */
export function schemaPath(name: string): string {
  return `/schemas/auth/v1/${name}.json`;
}

/** Adds `$schema` and `$id` to schemas by name. */
export function withSchemaIds(schemas: Record<string, Schema>): Record<string, Schema> {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [
      name,
      { $schema: '/schemas/common/metaschema.json#', $id: `${schemaPath(name)}#`, ...schema },
    ]),
  );
}

/**
 * The schemas of bodies and messages, by name. Those of guarded services are declared with the services. Schemas named
 * `older-…` replace those of the same name in the older dialect.
 */
export const apiSchemas = withSchemaIds({
  ...clientSchemas,
  ...roleSchemas,
  ...authenticationSchemas,
  ...historySchemas,
});
