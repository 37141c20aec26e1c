import type { Schema } from '../schemaBuilders.ts';
import { explainSchemas } from './explainSchemas.ts';
import { expressionSchemas } from './expressionSchemas.ts';
import { historySchemas } from './historySchemas.ts';
import { whatChangedSchemas } from './whatChangedSchemas.ts';
import { whoCanSchemas } from './whoCanSchemas.ts';

/** The schemas of bodies of our own methods, by name. Each file beside this one has those of one area. */
export const authledgerSchemas: Record<string, Schema> = {
  ...expressionSchemas,
  ...explainSchemas,
  ...historySchemas,
  ...whatChangedSchemas,
  ...whoCanSchemas,
};
