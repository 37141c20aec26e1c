import type { TimeSliced } from './timeSliced.ts';
import type { WorkBudget } from './workBudget.ts';

/** Texts that are sorted without checking the slice. */
const CHUNK_LENGTH = 1000;
/** Units of work for each text of a chunk that is sorted. */
const SORT_UNITS = 4;

/** Sorts texts by code units, in time slices. */
export function* sortedTexts(texts: readonly string[], work: WorkBudget): TimeSliced<string[]> {
  let runs: string[][] = [];
  for (let from = 0; from < texts.length; from += CHUNK_LENGTH) {
    const chunk = texts.slice(from, from + CHUNK_LENGTH);
    if (work.spend(SORT_UNITS * chunk.length)) yield;
    runs.push(chunk.sort());
  }
  while (runs.length > 1) {
    const next: string[][] = [];
    for (let i = 0; i < runs.length; i += 2)
      next.push(i + 1 < runs.length ? yield* merged(runs[i]!, runs[i + 1]!, work) : runs[i]!);
    runs = next;
  }
  return runs[0] ?? [];
}

function* merged(one: readonly string[], other: readonly string[], work: WorkBudget): TimeSliced<string[]> {
  const all: string[] = [];
  let [i, j] = [0, 0];
  while (i < one.length || j < other.length) {
    all.push(j === other.length || (i < one.length && one[i]! <= other[j]!) ? one[i++]! : other[j++]!);
    if (work.spend()) yield;
  }
  return all;
}
