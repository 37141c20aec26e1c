import { apiSchemas, withSchemaIds } from '../../../schemas/v1/apiSchemas.ts';
import type { Schema } from '../../../schemas/v1/schemaBuilders.ts';
import { guardedServices } from '../../services/guardedServices.ts';

/** The schemas of all bodies and messages, including those of guarded services, by name. */
export const bodySchemas: Record<string, Schema> = {
  ...apiSchemas,
  ...withSchemaIds(
    'auth',
    Object.assign({}, ...guardedServices.map(({ schemas }) => schemas)) as Record<string, Schema>,
  ),
};
