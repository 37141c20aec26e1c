import { lowerBound } from './sortedRange.ts';
import { sortedTexts } from './sortedTexts.ts';
import type { TimeSliced } from './timeSliced.ts';
import type { WorkBudget } from './workBudget.ts';

/** Texts in their order, each with its longest prefix among the others. Finds those that are prefixes of a text. */
export class SortedPrefixes {
  readonly texts: readonly string[];
  /** The index of each text's longest prefix among the others; -1 if there is none. */
  readonly parents: Int32Array;
  /** How many texts are prefixes one of another, at most. */
  readonly depth: number;

  private constructor(texts: readonly string[], parents: Int32Array, depth: number) {
    this.texts = texts;
    this.parents = parents;
    this.depth = depth;
  }

  /** Sorts different texts and finds the prefixes of each, in time slices. */
  static *of(unsorted: readonly string[], work: WorkBudget): TimeSliced<SortedPrefixes> {
    const texts = yield* sortedTexts(unsorted, work);
    const parents = new Int32Array(texts.length);
    const depths = new Int32Array(texts.length);
    let depth = 0;
    for (const [i, text] of texts.entries()) {
      if (work.spend()) yield;
      const parent = longestBefore(i, text, { texts, parents });
      parents[i] = parent;
      depths[i] = parent < 0 ? 1 : depths[parent]! + 1;
      depth = Math.max(depth, depths[i]!);
    }
    return new SortedPrefixes(texts, parents, depth);
  }

  /** The index of the longest that is a prefix of a text, or equal to it; -1 if there is none. */
  longestOf(text: string): number {
    const at = lowerBound(this.texts, text);
    return this.texts[at] === text ? at : longestBefore(at, text, this);
  }
}

/**
 * The index of the longest prefix of a text, of which `end` is the place among the texts; -1 if there is none. Whatever
 * sorts between a prefix and the text begins with the prefix, too.
 */
function longestBefore(
  end: number,
  text: string,
  { texts, parents }: Pick<SortedPrefixes, 'texts' | 'parents'>,
): number {
  let at = end - 1;
  while (at >= 0 && !text.startsWith(texts[at]!)) at = parents[at]!;
  return at;
}
