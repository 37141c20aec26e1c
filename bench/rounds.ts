import { type Call, load, type LoadOptions, type Round } from './load.ts';
import type { Running } from './servers.ts';

/** Rounds of several loads in turn, so that all of them meet the same weather. */
export async function interleaved<One extends Round, Name extends string>(
  loads: Record<Name, () => Promise<One>>,
  rounds: number,
): Promise<Record<Name, One[]>> {
  const names = Object.keys(loads) as Name[];
  const measured = Object.fromEntries(names.map((name) => [name, [] as One[]])) as Record<Name, One[]>;
  for (let round = 0; round < rounds; round += 1)
    for (const name of names) measured[name].push(await loads[name]());
  return measured;
}

/** A load on a server, with the time of its processor that each call took, in microseconds. */
export const on =
  (server: Running, next: () => Call, options: LoadOptions) => async (): Promise<Round & { cpu: number }> => {
    const before = server.cpu();
    const round = await load(server.port, next, options);
    return { ...round, cpu: (server.cpu() - before) / round.calls };
  };
