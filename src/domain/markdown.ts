/** Backquotes that a fence has at least. */
const FENCE = 3;

/**
 * A block of Markdown that shows a text as it is; it belongs between empty lines. Messages are shown as Markdown, which takes the
 * stars and underscores of scopes for emphasis. Nothing inside the text can end the block.
 */
export function fenced(text: string): string {
  const fence = '`'.repeat(Math.max(FENCE, longestRun(text) + 1));
  return `${fence}\n${text}\n${fence}`;
}

/** Markdown that shows a text of one line as it is, inside a sentence. */
export function asCode(text: string): string {
  const fence = '`'.repeat(longestRun(text) + 1);
  // Markdown takes one space from both ends, where both have one.
  const space = /^[ `]|[ `]$/.test(text) ? ' ' : '';
  return fence + space + text + space + fence;
}

/** How many backquotes stand together in a text at most. */
function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
}
