import { parseArgs } from 'node:util';
import { ROWS_AGAINST } from './against.ts';
import { type Backend, BACKENDS } from './backends.ts';

const ROWS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13', '15'];

const USAGE = `Usage: npm run bench -- [options]

Measures a service in a process of its own, with the load in this one, against two floors in the same run. Figures are
medians of interleaved rounds.

  --quick          shorter rounds, without what needs a log of millions (two minutes)
  --rows=1,2,3     only these rows of the table
  --rounds=N       N rounds of each load
  --backend=NAME   other stores beside the embedded ones: ${BACKENDS.join(' or ')}
  --against=DIR    this build beside another, in alternating rounds (7 unless --rounds says otherwise). DIR is another
                   checkout, built with \`npx tsc -p tsconfig.bench.json\`. Rows: ${ROWS_AGAINST.join(', ')}
  --help           this text`;

/** What a run of the bench is to measure. */
export type Options = {
  quick: boolean;
  rows: readonly string[];
  rounds: number | undefined;
  backend: Backend | undefined;
  /** The other checkout. */
  against: string | undefined;
};

/** Reads the arguments of this process. Ends it after the usage where that is asked for, and where an argument is wrong. */
export function readOptions(): Options {
  try {
    const { help, quick, rows, rounds, backend, against } = parseArgs({
      options: {
        help: { type: 'boolean' },
        quick: { type: 'boolean', default: false },
        rows: { type: 'string' },
        rounds: { type: 'string' },
        backend: { type: 'string' },
        against: { type: 'string' },
      },
    }).values;
    if (help) {
      console.log(USAGE);
      process.exit(0);
    }
    if (backend !== undefined && (against !== undefined || rows !== undefined || rounds !== undefined))
      throw new Error(
        '--backend measures what it always does: it goes with no --against, --rows or --rounds',
      );
    return {
      quick,
      rows: readRows(rows, against === undefined ? ROWS : ROWS_AGAINST),
      rounds: readRounds(rounds),
      backend: readBackend(backend),
      against,
    };
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    process.exit(2);
  }
}

function readRows(text: string | undefined, known: readonly string[]): readonly string[] {
  const asked = text?.split(',') ?? known;
  const unknown = asked.filter((row) => !known.includes(row));
  if (unknown.length > 0)
    throw new Error(`--rows must be some of ${known.join(',')} here, not ${unknown.join(',')}`);
  return asked;
}

function readRounds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new Error(`--rounds must be a number from 1 to 999, not ${text}`);
  return Number(text);
}

function readBackend(name: string | undefined): Backend | undefined {
  const known = BACKENDS.find((each) => each === name);
  if (name !== undefined && !known)
    throw new Error(`--backend must be one of ${BACKENDS.join(', ')}, not ${name}`);
  return known;
}
