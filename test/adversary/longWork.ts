import type { Attacked } from './secondCaller.ts';

/** What a process at log level `debug` says of each piece of long work that it did. */
export type LongWork = { caller: string; units: number; slices: number; longestSlice: number };

export function longWorkOf({ output }: Pick<Attacked, 'output'>): LongWork[] {
  return output()
    .split('\n')
    .filter((line) => line.includes('"msg":"long work"'))
    .map((line) => JSON.parse(line) as LongWork);
}

/** A slice ends soon after it is full: some thousand scopes may be sorted at a time. */
export const MAX_IN_SLICE = 16_000;

/** As many texts. */
export const many = (count: number, textOf: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => textOf(i));

/** Sends a body that nobody signed. */
export async function unsigned(url: string, body: object): Promise<{ status: number; text: string }> {
  const reply = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(60_000),
  });
  return { status: reply.status, text: await reply.text() };
}
