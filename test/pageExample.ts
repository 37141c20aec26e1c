import { readFileSync } from 'node:fs';

/** The example of a page in this language that holds these words, as somebody copies it. `page` is a path in the checkout. */
export function pageExample(page: string, language: string, words: string): string {
  const text = readFileSync(new URL(`../${page}`, import.meta.url), 'utf8');
  const examples = [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)];
  const found = examples.filter(([, each, code]) => each === language && code!.includes(words));
  if (found.length !== 1)
    throw new Error(`${page} has ${found.length} examples in ${language} with: ${words}`);
  return found[0]![2]!;
}
