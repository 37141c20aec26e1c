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
export class WrongVersion extends Error {
  readonly stream: string;
  readonly current: number | undefined;
  constructor(stream: string, current: number | undefined) {
    super(`wrong version of ${stream}`);
    this.stream = stream;
    this.current = current;
  }
}

/** What a KurrentDB server remembers: one log, and the streams in it. */
export class DoubleLog {
  readonly events: Held[] = [];
  #end = 0n;
  #listeners = new Set<() => void>();

  streamOf(stream: string): Held[] {
    return this.events.filter((event) => event.stream === stream);
  }

  /** All writes or none. Answers the events as they are held, of a repeat those of the first time. */
  append(writes: Write[]): Held[] {
    const repeats = writes.map((write) => this.#repeated(write));
    writes.forEach(({ stream, expected }, i) => {
      if (repeats[i]) return;
      const current = this.streamOf(stream).at(-1)?.revision;
      const isAsExpected =
        expected === 'any' ||
        (expected === 'no_stream' && current === undefined) ||
        (expected === 'stream_exists' && current !== undefined) ||
        expected === current;
      if (!isAsExpected) throw new WrongVersion(stream, current);
    });
    const held = writes.flatMap(
      (write, i) => repeats[i] ?? write.events.map((event) => this.#add(write.stream, event)),
    );
    for (const listener of this.#listeners) listener();
    return held;
  }

  /** Calls back after each append; answers a function that ends it. */
  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #repeated({ stream, expected, events }: Write): Held[] | undefined {
    const there = this.streamOf(stream);
    const first =
      expected === 'any' || expected === 'stream_exists'
        ? there.findIndex(({ id }) => id === events[0]?.id)
        : expected === 'no_stream'
          ? 0
          : expected + 1;
    if (first < 0 || events.length === 0) return undefined;
    const same = there.slice(first, first + events.length);
    return same.length === events.length && same.every(({ id }, i) => id === events[i]!.id)
      ? same
      : undefined;
  }

  #add(stream: string, event: Proposed): Held {
    const revision = (this.streamOf(stream).at(-1)?.revision ?? -1) + 1;
    const held = { ...event, stream, revision, position: (this.#end += 100n) };
    this.#end += BigInt(event.data.length);
    this.events.push(held);
    return held;
  }
}
