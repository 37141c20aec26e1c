import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * Writes pieces of text to standard output, as fast as they are read there. Where whoever reads has had enough, as `head` has, it
 * ends as if all had been written. Throws where they cannot be written for another reason.
 */
export async function print(pieces: AsyncIterable<string>): Promise<void> {
  await pipeline(Readable.from(pieces), process.stdout, { end: false }).catch((error: unknown) => {
    if (!isReaderGone(error)) throw error;
  });
}

/** Lets commands go on when nobody reads what they print any more; one that could not print for another reason has failed. */
export function handleOutputErrors(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error) => {
      if (!isReaderGone(error)) process.exitCode = 1;
    });
}

function isReaderGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EPIPE';
}
