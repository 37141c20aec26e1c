import { ApiError } from '../domain/errors.ts';
import { isWellFormed, toWellFormed } from '../domain/wellFormed.ts';

/**
 * Throws InputValidationError that names the first string, or property name, that is not well-formed Unicode or
 * contains NUL. If it were stored, clients in other languages could not read any list that contains it. Recursive:
 * parseBody limits the depth.
 */
export function requireWellFormedStrings(body: object): void {
  const path = findMalformed(body);
  if (path === undefined) return;
  const problem = `body${toWellFormed(path.slice(0, 200))} must be well-formed Unicode: without half of a surrogate pair, and without NUL`;
  throw new ApiError('InputValidationError', problem, { problems: [problem] });
}

/** The path of the first malformed string; undefined if there is none. */
function findMalformed(value: unknown): string | undefined {
  if (typeof value === 'string') return isWellFormed(value) ? undefined : '';
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, each] of Object.entries(value)) {
    const within = isWellFormed(name) ? findMalformed(each) : '';
    if (within !== undefined) return `.${name}${within}`;
  }
  return undefined;
}
