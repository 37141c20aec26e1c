import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * Writes pieces of text to standard output, with back-pressure. If the reader closes the pipe early, as `head` does, it
 * returns as if everything had been written. Throws any other write error.
 */
export async function print(pieces: AsyncIterable<string>): Promise<void> {
  await pipeline(Readable.from(pieces), process.stdout, { end: false }).catch((error: unknown) => {
    if (!isReaderGone(error)) throw error;
  });
}

/** Ignores a closed pipe on standard output and standard error. Any other write error makes the command fail. */
export function handleOutputErrors(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error) => {
      if (!isReaderGone(error)) process.exitCode = 1;
    });
}

function isReaderGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EPIPE';
}
