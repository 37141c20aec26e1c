import type { Schema } from '../schemaBuilders.ts';

/** The moment that a body asks about, as the query parameter `at` of other methods: a position or a time. */
export const moment: Schema = { type: 'string', pattern: '^[0-9A-Za-z.:+-]{1,64}$' };
