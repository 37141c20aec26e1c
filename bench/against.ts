import { cpSync, existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import Table from 'cli-table3';
import { fill, type Size } from './fill.ts';
import type { Call, Round } from './load.ts';
import {
  authenticating,
  authenticatingLent,
  creatingClients,
  creatingRoles,
  expanding,
  type Service,
  settingsOver,
  updatingClients,
  updatingRoles,
  whileRolesChange,
  WRITERS,
} from './loads.ts';
import { median, quantile } from './report.ts';
import { interleaved, on } from './rounds.ts';
import { folder, main, start, startDouble } from './servers.ts';

/** What is measured of a row. Of a rate, more is better; of a time, less. */
const FIGURES = {
  'a second': ({ calls, seconds }: Round): number => calls / seconds,
  ms: ({ latencies }: Round): number => median(latencies),
  'ms, p99': ({ latencies }: Round): number => quantile(latencies, 0.99),
};
/** What services are over: a log of a size in files, or `kurrentdb`, its double, with everything else in memory. */
const SIZES = {
  small: { roles: 486, clients: 1000, events: 1486 },
  large: { roles: 10_000, clients: 100_000, events: 110_000 },
} satisfies Record<string, Size>;
const CONNECTIONS = 32;

type Stores = keyof typeof SIZES | 'kurrentdb';

type Row = {
  row: string;
  what: string;
  stores: Stores;
  figure: keyof typeof FIGURES;
  connections: number;
  calls(service: Service): (() => Call) | Promise<() => Call>;
  whileRolesChange?: boolean;
};

const reading = { figure: 'a second', connections: CONNECTIONS } as const;
const single = { figure: 'ms', connections: 1 } as const;
const writing = { figure: 'a second', connections: WRITERS, stores: 'small' } as const;

const onKurrentdb = { stores: 'kurrentdb', calls: creatingClients } as const;

/** The rows of the bench that need nothing but a service. */
const ROWS: Row[] = [
  { row: '1', what: 'authenticateHawk, 486 roles', stores: 'small', calls: authenticating, ...reading },
  { row: '2', what: 'the same at 10,000 roles', stores: 'large', calls: authenticating, ...reading },
  { row: '3', what: 'with temporary credentials', stores: 'small', calls: authenticatingLent, ...reading },
  { row: '8', what: 'expandScopes of real roles', stores: 'small', calls: expanding, ...reading },
  { row: '4', what: 'createRole, one writer', stores: 'large', calls: creatingRoles, ...single },
  { row: '4', what: 'updateRole, one writer', stores: 'large', calls: updatingRoles, ...single },
  { row: '5', what: 'createClient, one writer', stores: 'large', calls: creatingClients, ...single },
  { row: '6', what: `createClient, ${WRITERS} writers`, calls: creatingClients, ...writing },
  { row: '6', what: `updateClient, ${WRITERS} writers`, calls: updatingClients, ...writing },
  {
    row: '7',
    what: 'authenticateHawk, 20 role changes a second',
    stores: 'large',
    figure: 'ms, p99',
    connections: CONNECTIONS,
    calls: authenticating,
    whileRolesChange: true,
  },
  {
    row: '14',
    what: 'createClient on KurrentDB, one writer',
    figure: 'a second',
    connections: 1,
    ...onKurrentdb,
  },
  { row: '14', what: 'the same', figure: 'ms, p99', connections: 1, ...onKurrentdb },
  {
    row: '14',
    what: `createClient on KurrentDB, ${CONNECTIONS} writers`,
    figure: 'a second',
    connections: CONNECTIONS,
    ...onKurrentdb,
  },
];

/** The names of the rows that can be measured so. */
export const ROWS_AGAINST = [...new Set(ROWS.map(({ row }) => row))].sort(
  (one, other) => Number(one) - Number(other),
);

/** Both builds over the same stores, or copies of them. */
type Both = { here: Service; other: Service };

/**
 * Prints some rows of this build beside those of another one: the median of each, and the ratio of this to the other, round by round,
 * as median and extremes. `checkout` is a folder of authledger that is built: its `dist/src/main.js serve` is used over a copy of
 * the same log, and for KurrentDB its modules that `kurrentNode.ts` names. Rounds alternate, this one's first; one of each that
 * comes before them is not counted. Throws an Error for what is no such folder.
 */
export async function measureAgainst(
  checkout: string,
  { rows, rounds, ms, directory }: { rows: readonly string[]; rounds: number; ms: number; directory: string },
): Promise<void> {
  const otherMain = resolve(checkout, 'dist/src/main.js');
  if (!existsSync(otherMain))
    throw new Error(
      `${otherMain} is not there: --against takes a checkout that is built (npx tsc -p tsconfig.bench.json)`,
    );
  const table = new Table({
    head: ['#', 'what', 'figure', 'this', 'other', 'this ÷ other', 'least to most', 'CPU ÷'],
    style: { head: [], border: [] },
  });
  for (const stores of [...Object.keys(SIZES), 'kurrentdb'] as Stores[]) {
    const wanted = ROWS.filter((each) => each.stores === stores && rows.includes(each.row));
    if (wanted.length === 0) continue;
    const both = await (stores === 'kurrentdb' ? startBothOnKurrentdb() : startBoth(stores));
    for (const each of wanted) {
      const measured = await measure(each, both);
      const cells = [each.row, each.what, each.figure, ...measured];
      console.error(cells.join('  '));
      table.push(cells);
    }
    await Promise.all([both.here.server.stop(), both.other.server.stop()]);
  }
  console.log(table.toString());

  async function startBoth(size: keyof typeof SIZES): Promise<Both> {
    const [ours, theirs] = [join(directory, size), join(directory, `${size}-other`)];
    const signers = await fill(ours, SIZES[size]);
    cpSync(ours, theirs, { recursive: true });
    return {
      here: { server: await start([main, 'serve'], settingsOver(ours)), signers },
      other: { server: await start([otherMain, 'serve'], settingsOver(theirs)), signers },
    };
  }

  async function startBothOnKurrentdb(): Promise<Both> {
    const startOne = async (program: string): Promise<Service> => {
      const { url } = await startDouble();
      const node = [folder('kurrentNode.js'), dirname(program), url];
      return { server: await start(node, settingsOver(join(directory, 'unused'))), signers: [] };
    };
    return { here: await startOne(main), other: await startOne(otherMain) };
  }

  async function measure(row: Row, both: Both): Promise<string[]> {
    const loads = { here: await loadOf(row, both.here), other: await loadOf(row, both.other) };
    await interleaved(loads, 1);
    const { here, other } = await interleaved(loads, rounds);
    const figureOf = FIGURES[row.figure];
    const ratios = here.map((round, i) => figureOf(round) / figureOf(other[i]!));
    const [ours, theirs] = [here, other].map((all) => median(all.map(figureOf)));
    return [
      shown(ours!),
      shown(theirs!),
      median(ratios).toFixed(3),
      `${Math.min(...ratios).toFixed(3)} to ${Math.max(...ratios).toFixed(3)}`,
      median(here.map(({ cpu }, i) => cpu / other[i]!.cpu)).toFixed(3),
    ];
  }

  async function loadOf(row: Row, service: Service): Promise<() => Promise<Round & { cpu: number }>> {
    const load = on(service.server, await row.calls(service), { connections: row.connections, ms });
    return row.whileRolesChange ? () => whileRolesChange(service, load) : load;
  }
}

function shown(figure: number): string {
  return figure >= 100 ? figure.toFixed(0) : figure.toFixed(2);
}
