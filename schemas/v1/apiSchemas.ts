import { authenticationSchemas } from './authenticationSchemas.ts';
import { authledgerSchemas } from './authledger/authledgerSchemas.ts';
import { clientSchemas } from './clientSchemas.ts';
import { historySchemas } from './historySchemas.ts';
import type { Schema } from './schemaBuilders.ts';
import { roleSchemas } from './roleSchemas.ts';

/** The services whose bodies have schemas: the Taskcluster Auth API, and our own beside it. */
export type ServiceName = 'auth' | 'authledger';

/** The path at which a schema with an `$id` is served. */
export function schemaPath({ $id }: Schema): string {
  return ($id as string).replace(/#$/, '');
}

/** Adds `$schema` and `$id` to the schemas of a service, by name. */
export function withSchemaIds(service: ServiceName, schemas: Record<string, Schema>): Record<string, Schema> {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [
      name,
      {
        $schema: '/schemas/common/metaschema.json#',
        $id: `/schemas/${service}/v1/${name}.json#`,
        ...schema,
      },
    ]),
  );
}

/**
 * The schemas of bodies and messages of the Taskcluster Auth API, by name. Those of guarded services are declared with
 * the services. Schemas named `older-…` replace those of the same name in the older dialect.
 */
export const authSchemas = withSchemaIds('auth', {
  ...clientSchemas,
  ...roleSchemas,
  ...authenticationSchemas,
  ...historySchemas,
});

/** The schemas of both services, by name, except those of guarded services. No two have the same name. */
export const apiSchemas = { ...authSchemas, ...withSchemaIds('authledger', authledgerSchemas) };
