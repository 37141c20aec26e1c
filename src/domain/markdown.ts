/** The minimum number of backquotes in a fence. */
const MIN_FENCE = 3;

/**
 * A fenced code block of Markdown that shows a text literally; put it between empty lines. Messages are rendered as
 * Markdown, which would read the stars and underscores of scopes as emphasis. Nothing inside the text can end the
 * block.
 */
export function fenced(text: string): string {
  const fence = '`'.repeat(Math.max(MIN_FENCE, longestRun(text) + 1));
  return `${fence}\n${text}\n${fence}`;
}

/** A code span of Markdown that shows a text of one line literally. */
export function asCode(text: string): string {
  const fence = '`'.repeat(longestRun(text) + 1);
  // Markdown strips one space from both ends if both have one.
  const space = /^[ `]|[ `]$/.test(text) ? ' ' : '';
  return fence + space + text + space + fence;
}

/** The length of the longest run of backquotes in a text. */
function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
}
