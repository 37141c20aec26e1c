import { ApiError } from '../domain/errors.ts';
import { isWellFormed, toWellFormed } from '../domain/wellFormed.ts';

/**
 * Throws InputValidationError naming the first text, or name of a property, that is not well-formed: one that was stored would make
 * whole lists unreadable for other languages. For what is nested as deep as a body may be.
 */
export function requireWellFormedStrings(body: object): void {
  const place = findMalformed(body);
  if (place === undefined) return;
  const problem = `body${toWellFormed(place.slice(0, 200))} must be well-formed Unicode: without half of a surrogate pair, and without NUL`;
  throw new ApiError('InputValidationError', problem, { problems: [problem] });
}

/** Where the first such text stands; undefined where there is none. */
function findMalformed(value: unknown): string | undefined {
  if (typeof value === 'string') return isWellFormed(value) ? undefined : '';
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, each] of Object.entries(value)) {
    const within = isWellFormed(name) ? findMalformed(each) : '';
    if (within !== undefined) return `.${name}${within}`;
  }
  return undefined;
}
