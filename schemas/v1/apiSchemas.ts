import { authenticationSchemas } from './authenticationSchemas.ts';
import { clientSchemas } from './clientSchemas.ts';
import { historySchemas } from './historySchemas.ts';
import type { Schema } from './parts.ts';
import { roleSchemas } from './roleSchemas.ts';

/** Where a schema is served, which is also what it calls itself. */
export function schemaPath(name: string): string {
  return `/schemas/auth/v1/${name}.json`;
}

/** The schemas of all bodies, by name. Those named `older-…` are what the older dialect has instead. */
export const apiSchemas: Record<string, Schema> = Object.fromEntries(
  Object.entries({ ...clientSchemas, ...roleSchemas, ...authenticationSchemas, ...historySchemas }).map(
    ([name, schema]) => [
      name,
      { $schema: '/schemas/common/metaschema.json#', $id: `${schemaPath(name)}#`, ...schema },
    ],
  ),
);
