/** How long (ms) a property is tried when many histories are asked for. */
const LONGEST = 60_000;

/**
 * How many random histories a property is tried on: `usually`, or as many as HISTORIES says (CI: very many), as far as they fit
 * into a minute.
 */
export function histories(usually: number): { numRuns: number; interruptAfterTimeLimit: number } {
  return { numRuns: Number(process.env['HISTORIES'] ?? usually), interruptAfterTimeLimit: LONGEST };
}
