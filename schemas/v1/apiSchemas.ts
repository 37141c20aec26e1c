import { authenticationSchemas } from './authenticationSchemas.ts';
import { clientSchemas } from './clientSchemas.ts';
import { historySchemas } from './historySchemas.ts';
import type { Schema } from './schemaBuilders.ts';
import { roleSchemas } from './roleSchemas.ts';

/** Where a schema is served, which is also what it calls itself. */
export function schemaPath(name: string): string {
  return `/schemas/auth/v1/${name}.json`;
}

/** Schemas by name, each with what it calls itself. */
export function withSchemaIds(schemas: Record<string, Schema>): Record<string, Schema> {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [
      name,
      { $schema: '/schemas/common/metaschema.json#', $id: `${schemaPath(name)}#`, ...schema },
    ]),
  );
}

/**
 * The schemas of bodies and messages, by name; those of guarded services stand with the services. Those named `older-…` are
 * what the older dialect has instead.
 */
export const apiSchemas = withSchemaIds({
  ...clientSchemas,
  ...roleSchemas,
  ...authenticationSchemas,
  ...historySchemas,
});
