import type { Schema } from '../schemaBuilders.ts';
import { explainSchemas } from './explainSchemas.ts';
import { whatChangedSchemas } from './whatChangedSchemas.ts';

/** The schemas of bodies of our own methods, by name. Each file beside this one has those of one area. */
export const authledgerSchemas: Record<string, Schema> = { ...explainSchemas, ...whatChangedSchemas };
