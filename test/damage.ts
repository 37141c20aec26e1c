import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';

/** Overwrites the middle half of a file. */
export function damage(file: string): void {
  const handle = openSync(file, 'r+');
  const { size } = fstatSync(handle);
  writeSync(handle, Buffer.alloc(size >> 1, 'garbage '), 0, size >> 1, size >> 2);
  closeSync(handle);
}
