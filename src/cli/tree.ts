import chalk from 'chalk';
import wrapAnsi from 'wrap-ansi';

/** A line of text with lines below it. */
export type Tree = { text: string; branches?: readonly Tree[] };

/** Columns of a terminal that does not say how many it has, and the most that are used. */
const MAX_COLUMNS = 100;
const INDENT = '  ';

/**
 * A long line as a terminal shows it: wrapped, and indented where it goes on. Without a number of columns, standard output
 * is no terminal, and another program gets the line in one piece.
 */
export function wrappedLine(line: string, columns: number | undefined): string {
  if (columns === undefined) return line;
  return wrapped(line, Math.min(columns, MAX_COLUMNS) - INDENT.length).join(`\n${INDENT}`);
}

/** The lines of trees, as a terminal shows them: long ones are wrapped. */
export function treeLines(trees: readonly Tree[], columns = process.stdout.columns ?? MAX_COLUMNS): string[] {
  const width = Math.min(columns, MAX_COLUMNS);
  return trees.flatMap(({ text, branches = [] }) => [
    ...wrapped(text, width),
    ...branchLines(branches, '', width),
  ]);
}

function branchLines(branches: readonly Tree[], indent: string, width: number): string[] {
  return branches.flatMap(({ text, branches: below = [] }, i) => {
    const isLast = i === branches.length - 1;
    const [first, rest] = isLast ? ['└─ ', '   '] : ['├─ ', '│  '];
    const lines = wrapped(text, width - indent.length - first.length);
    return [
      ...lines.map((line, at) => chalk.dim(indent + (at === 0 ? first : rest)) + line),
      ...branchLines(below, indent + rest, width),
    ];
  });
}

function wrapped(text: string, width: number): string[] {
  return wrapAnsi(text, Math.max(width, 20), { hard: true }).split('\n');
}
