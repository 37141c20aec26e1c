import type { Schema } from '../schemaBuilders.ts';
import { expressionSchemas } from './expressionSchemas.ts';
import { whoCanSchemas } from './whoCanSchemas.ts';

/** The schemas of bodies of our own methods, by name. Each file beside this one has those of one area. */
export const authledgerSchemas: Record<string, Schema> = { ...expressionSchemas, ...whoCanSchemas };
