/** An event as the double holds it; `position` is where it lies in the log, in bytes. */
export type Held = {
  id: string;
  stream: string;
  revision: number;
  position: bigint;
  metadata: [string, string][];
  custom: Uint8Array;
  data: Uint8Array;
};
export type Proposed = Pick<Held, 'id' | 'metadata' | 'custom' | 'data'>;
export type Expected = number | 'no_stream' | 'any' | 'stream_exists';
export type Write = { stream: string; expected: Expected; events: Proposed[] };

/** Refused; `stream` is undefined where the server names none, as when some streams have the events already and others not. */
export class WrongVersion extends Error {
  readonly stream: string | undefined;
  readonly current: number | undefined;
  constructor(stream?: string, current?: number) {
    super(`wrong version of ${stream ?? 'some streams'}`);
    this.stream = stream;
    this.current = current;
  }
}

/** What a KurrentDB server remembers: one log, and the streams in it. */
export class DoubleLog {
  readonly events: Held[] = [];
  #streams = new Map<string, Held[]>();
  /** A real log begins with a record of the server's own. */
  #end = 100n;
  #listeners = new Set<() => void>();

  streamOf(stream: string): readonly Held[] {
    return this.#streams.get(stream) ?? [];
  }

  /** All writes or none. Answers the events as they are held, of a repeat those of the first time. */
  append(writes: Write[]): Held[] {
    const repeats = writes.map((write) => this.#repeated(write));
    if (repeats.every((repeat) => repeat !== undefined)) return repeats.flat();
    for (const [i, { stream, expected }] of writes.entries())
      if (!repeats[i] && !this.#isAt(stream, expected))
        throw new WrongVersion(stream, this.streamOf(stream).at(-1)?.revision);
    if (repeats.some((repeat) => repeat !== undefined)) throw new WrongVersion();
    const held = writes.flatMap(({ stream, events }) => events.map((event) => this.#add(stream, event)));
    for (const listener of this.#listeners) listener();
    return held;
  }

  /** How many events lie before a position. */
  countBefore(position: bigint): number {
    let [from, to] = [0, this.events.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.events[middle]!.position < position) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  /** Calls back after each append; answers a function that ends it. */
  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #isAt(stream: string, expected: Expected): boolean {
    const current = this.streamOf(stream).at(-1)?.revision;
    if (expected === 'any') return true;
    if (expected === 'stream_exists') return current !== undefined;
    return current === (expected === 'no_stream' ? undefined : expected);
  }

  #repeated({ stream, expected, events }: Write): Held[] | undefined {
    const there = this.streamOf(stream);
    const isExact = expected === 'no_stream' || typeof expected === 'number';
    const first = isExact
      ? expected === 'no_stream'
        ? 0
        : expected + 1
      : there.findIndex(({ id }) => id === events[0]?.id);
    if (first < 0 || events.length === 0) return undefined;
    const same = there.slice(first, first + events.length);
    return same.length === events.length && same.every(({ id }, i) => id === events[i]!.id)
      ? same
      : undefined;
  }

  #add(stream: string, event: Proposed): Held {
    const there = this.#streams.get(stream) ?? [];
    this.#streams.set(stream, there);
    const held = { ...event, stream, revision: there.length, position: this.#end };
    this.#end += 100n + BigInt(event.data.length + event.custom.length);
    there.push(held);
    this.events.push(held);
    return held;
  }
}
