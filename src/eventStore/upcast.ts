import { isWellFormed, toWellFormed } from '../domain/wellFormed.ts';
import type { Recorded } from '../event.ts';

/** The texts in events that no pattern of their schemas bounds. */
export const FREE_TEXTS = ['description', 'target', 'level'] as const;

/**
 * An event of any release as today's would have written it; the log keeps it as it was written. There is one difference so far:
 * earlier releases took texts that other languages cannot read. They hold U+FFFD in those places.
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
