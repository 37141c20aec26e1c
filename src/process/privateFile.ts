import { randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fchownSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Creates a file that only its owner may read, atomically. Returns false, changing nothing, if the file exists. The
 * file is durable when this returns.
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

/** Replaces a private file's content atomically. It is durable when this returns. */
export function replacePrivateFile(file: string, content: string): void {
  renameSync(writeDraft(file, content), file);
  syncFolder(file);
}

/**
 * Writes a private file's new content asynchronously to a draft beside it. `replace` renames the draft to the file
 * atomically, without syncing the folder; `discard` deletes a draft that was not used.
 */
export async function draftPrivateFile(
  file: string,
  content: string,
): Promise<{ replace(): void; discard(): void }> {
  const draft = draftOf(file);
  const discard = (): void => rmSync(draft, { force: true });
  const handle = await open(draft, 'wx', 0o600);
  try {
    chownToFolderOwner(handle.fd, file);
    await handle.writeFile(content);
    await handle.sync();
  } catch (error) {
    discard();
    throw error;
  } finally {
    await handle.close();
  }
  return { replace: () => renameSync(draft, file), discard };
}

function writeDraft(file: string, content: string): string {
  const draft = draftOf(file);
  const handle = openSync(draft, 'wx', 0o600);
  try {
    chownToFolderOwner(handle, file);
    writeSync(handle, content);
    fsyncSync(handle);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  } finally {
    closeSync(handle);
  }
  return draft;
}

function draftOf(file: string): string {
  return `${file}.${randomUUID()}.draft`;
}

/** The owner of the folder is the service's user, who must be able to read files that a command run by root creates. */
function chownToFolderOwner(handle: number, file: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(dirname(file));
  fchownSync(handle, uid, gid);
}

/** A file's name is durable only after its folder is synced. */
function syncFolder(file: string): void {
  const handle = openSync(dirname(file), 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
