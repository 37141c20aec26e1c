import Table from 'cli-table3';
import type { Round } from './load.ts';

type Measured = (Round & { cpu?: number; delay?: number })[];
/** The target of a rate: parts of the floors' or of row 1's, or so many a second. */
type RateTarget = { A?: number; B?: number; row1?: number; least?: number };

/** The target of answers: ms of the median and of the slowest hundredth; `now` are latencies of answers about the present. */
type AnswersTarget = { most?: number; slowest?: number; now?: number[]; timesNow?: number };

/** The table that a run of the bench prints: what was measured, the target, and whether it is met. */
export class Report {
  #table = new Table({
    head: ['#', 'what', 'figure', '÷ A', '÷ B', 'CPU µs', 'p99 ms', 'target', ''],
    style: { head: [], border: [] },
  });
  #floors: { A: Measured; B: Measured } | undefined;
  #row1: Measured | undefined;

  floors(A: Measured, B: Measured): void {
    this.#floors = { A, B };
    this.rate('A', 'floor A: the hawk library on bare node:http', A, {});
    this.rate('B', 'floor B: one HMAC, a reply that is ready', B, {});
  }

  /** Calls a second. Ratios are medians of those of each round. */
  rate(row: string, what: string, rounds: Measured, target: RateTarget): void {
    if (row === '1') this.#row1 = rounds;
    const perSecond = median(rounds.map(rateOf));
    const floors = this.#floors;
    const [a, b] = [floors && ratio(rounds, floors.A), floors && ratio(rounds, floors.B)];
    const row1 = this.#row1 && ratio(rounds, this.#row1);
    const asked: [string, number | undefined, number | undefined][] = [
      ['A', target.A, a],
      ['B', target.B, b],
      ['row 1', target.row1, row1],
      ['a second', target.least, perSecond],
    ];
    const wanted = asked.filter(([, least]) => least !== undefined);
    const shown = wanted.map(([of, least, is]) =>
      of === 'a second'
        ? `≥ ${least!} ${of}`
        : `≥ ${least!} × ${of}${of === 'row 1' ? ` (is ${is!.toFixed(2)})` : ''}`,
    );
    this.add(row, what, {
      figure: `${perSecond.toFixed(0)}/s`,
      a: a?.toFixed(2),
      b: b?.toFixed(2),
      rounds,
      target: shown.join(', '),
      reached: wanted.length > 0 ? wanted.every(([, least, is]) => is! >= least!) : undefined,
    });
  }

  /** The median time of a call in ms; at most so many, and at most 1.5 times that of other rounds. */
  latency(
    row: string,
    what: string,
    rounds: Measured,
    { most, than }: { most: number; than: Measured },
  ): void {
    const [ms, other] = [middle(rounds), middle(than)];
    const grown = ms / other;
    this.add(row, what, {
      figure: `${ms.toFixed(2)} ms`,
      rounds,
      target: `≤ ${most} ms${rounds === than ? '' : `, ≤ 1.5 × the first (is ${grown.toFixed(2)})`}`,
      reached: ms <= most && grown <= 1.5,
    });
  }

  /** The slowest hundredth of the calls, against that of other rounds. */
  tail(row: string, what: string, rounds: Measured, { than, most }: { than: Measured; most: number }): void {
    const slow = (each: Measured): number => median(each.map(({ latencies }) => quantile(latencies, 0.99)));
    const failed = rounds.reduce((sum, round) => sum + round.failed, 0);
    this.add(row, what, {
      figure: `${slow(rounds).toFixed(1)} ms`,
      rounds,
      target: `≤ ${most} × idle (is ${(slow(rounds) / slow(than)).toFixed(2)}), no error (${failed})`,
      reached: slow(rounds) <= most * slow(than) && failed === 0,
    });
  }

  /** Calls a second and their slowest hundredth beside an attack, against rounds in which it goes elsewhere; and the event loop's longest delay. */
  besideAttack(row: string, what: string, rounds: Measured, elsewhere: Measured): void {
    const slow = (each: Measured): number => median(each.map(({ latencies }) => quantile(latencies, 0.99)));
    const failed = rounds.reduce((sum, round) => sum + round.failed, 0);
    const [rate, tail] = [ratio(rounds, elsewhere), slow(rounds) / slow(elsewhere)];
    const delay = Math.max(...rounds.map(({ delay = Number.NaN }) => delay));
    this.add(row, what, {
      figure: `${rate.toFixed(2)} × elsewhere, loop ≤ ${delay.toFixed(0)} ms`,
      rounds,
      target: `≥ 0.5 × elsewhere, p99 ≤ 3 × (is ${tail.toFixed(2)}), no error (${failed})`,
      reached: rate >= 0.5 && tail <= 3 && failed === 0,
    });
  }

  /**
   * The median time of answers in ms, and of their slowest hundredth: at most so many ms, or so many times that of answers about
   * the present.
   */
  answers(
    row: string,
    what: string,
    latencies: number[],
    { most, slowest, now, timesNow }: AnswersTarget,
  ): void {
    const [ms, tail] = [median(latencies), quantile(latencies, 0.99)];
    const grown = now && ms / median(now);
    const targets: [string, boolean][] = [];
    if (most !== undefined) targets.push([`≤ ${most} ms`, ms <= most]);
    if (slowest !== undefined) targets.push([`p99 ≤ ${slowest} ms`, tail <= slowest]);
    if (timesNow !== undefined) targets.push([`≤ ${timesNow} × now`, grown! <= timesNow]);
    const shown = targets.map(([target]) => target).join(', ');
    this.add(row, what, {
      figure: `${ms.toFixed(2)} ms`,
      rounds: [{ latencies, calls: latencies.length, seconds: 0, failed: 0 }],
      target: `${shown}${grown === undefined ? '' : ` (is ${grown.toFixed(2)} × now)`}`.trimStart(),
      reached: targets.length > 0 ? targets.every(([, isReached]) => isReached) : undefined,
    });
  }

  /** Calls a second and their slowest hundredth beside an auditor, against rounds without one. */
  besideAuditor(row: string, what: string, rounds: Measured, alone: Measured): void {
    const slow = (each: Measured): number => median(each.map(({ latencies }) => quantile(latencies, 0.99)));
    const failed = rounds.reduce((sum, round) => sum + round.failed, 0);
    const [rate, tail] = [ratio(rounds, alone), slow(rounds) / slow(alone)];
    this.add(row, what, {
      figure: `${rate.toFixed(2)} × alone`,
      rounds,
      target: `≥ 0.7 × alone, p99 ≤ 2 × (is ${tail.toFixed(2)}), no error (${failed})`,
      reached: rate >= 0.7 && tail <= 2 && failed === 0,
    });
  }

  /** Any figure. */
  add(row: string, what: string, { figure, a = '', b = '', rounds, target = '', reached }: Shown): void {
    const cpus = (rounds ?? []).flatMap(({ cpu }) => (cpu === undefined ? [] : [cpu]));
    const slow = rounds && median(rounds.map(({ latencies }) => quantile(latencies, 0.99)));
    const verdict = reached === undefined ? '' : reached ? 'yes' : 'no';
    const cells = [
      row,
      what,
      figure,
      a,
      b,
      cpus.length > 0 ? median(cpus).toFixed(0) : '',
      slow?.toFixed(1) ?? '',
    ];
    this.#table.push([...cells, target, verdict]);
    console.error(`${row} ${what}: ${figure} ${target} ${verdict}`);
  }

  print(): void {
    console.log(this.#table.toString());
  }
}

type Shown = {
  figure: string;
  a?: string;
  b?: string;
  rounds?: Measured;
  target?: string;
  reached?: boolean;
};

function rateOf({ calls, seconds }: Round): number {
  return calls / seconds;
}

function middle(rounds: Measured): number {
  return median(rounds.flatMap(({ latencies }) => latencies));
}

function ratio(rounds: Measured, floor: Measured): number {
  return median(rounds.map((round, i) => rateOf(round) / rateOf(floor[i]!)));
}

/** The middle of some numbers. */
export function median(numbers: number[]): number {
  return quantile(numbers, 0.5);
}

/** The number that so large a part of some numbers is below. */
export function quantile(numbers: number[], part: number): number {
  const sorted = Float64Array.from(numbers).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
