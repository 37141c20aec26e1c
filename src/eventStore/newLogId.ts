import { randomBytes } from 'node:crypto';

/** A random id for a new log: 12 lower-case hexadecimal digits. */
export function newLogId(): string {
  return randomBytes(6).toString('hex');
}
