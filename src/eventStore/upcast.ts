import { isWellFormed, toWellFormed } from '../domain/wellFormed.ts';
import type { Recorded } from '../event.ts';

/** The text fields of events whose schemas have no pattern. */
export const FREE_TEXTS = ['description', 'target', 'level'] as const;

/**
 * Converts an event of any release to today's form; the log keeps it as it was written. There is one difference so far:
 * earlier releases accepted text that is not well-formed Unicode (lone surrogates), which other languages cannot read.
 * U+FFFD replaces them.
 */
export function upcast(event: Recorded): Recorded {
  const texts = event.data as { [name in (typeof FREE_TEXTS)[number]]?: string };
  let data = texts;
  for (const name of FREE_TEXTS) {
    const text = texts[name];
    if (text !== undefined && !isWellFormed(text)) data = { ...data, [name]: toWellFormed(text) };
  }
  return data === texts ? event : { ...event, data };
}
