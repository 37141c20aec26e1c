import { readFileSync } from 'node:fs';

const README = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

/** The example of the README in this language that holds these words, as somebody copies it. */
export function readmeExample(language: string, words: string): string {
  const examples = [...README.matchAll(/^```(\w+)\n([^]*?)^```$/gm)];
  const found = examples.filter(([, each, code]) => each === language && code!.includes(words));
  if (found.length !== 1) throw new Error(`${found.length} examples in ${language} hold: ${words}`);
  return found[0]![2]!;
}
