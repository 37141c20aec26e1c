import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Writes a file that only its owner may read, whole or not at all, unless there already is one.
 * Answers whether it did. It is durable when this returns.
 */
export function createPrivateFile(file: string, content: string): boolean {
  if (existsSync(file)) return false;
  const draft = writeDraft(file, content);
  try {
    linkSync(draft, file);
    syncFolder(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Puts new content in the place of a private file in one step. It is durable when this returns. */
export function replacePrivateFile(file: string, content: string): void {
  renameSync(writeDraft(file, content), file);
  syncFolder(file);
}

function writeDraft(file: string, content: string): string {
  const draft = `${file}.${randomUUID()}.draft`;
  const handle = openSync(draft, 'wx', 0o600);
  try {
    writeSync(handle, content);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  return draft;
}

/** A name is durable only once its folder is. */
function syncFolder(file: string): void {
  const handle = openSync(dirname(file), 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
