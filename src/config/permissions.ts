import { chmodSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { invalid } from './configError.ts';

const GROUP_WRITES = 0o020;
const OTHERS_WRITE = 0o002;
const OTHERS_READ = 0o004;
const STICKY = 0o1000;
const ALL_BUT_OWNER = 0o077;

const OR_ALLOW = 'or set ALLOW_LOOSE_PERMISSIONS=true';

/** Throws ConfigError with path and mode if anybody but its owner may write a file. */
export function refuseWritableByOthers(file: string): void {
  const mode = statOf(file)?.mode;
  if (mode !== undefined && mode & (GROUP_WRITES | OTHERS_WRITE))
    invalid(
      `${file} has mode ${octal(mode)}, and only its owner may be able to write it: chmod go-w it, ${OR_ALLOW}`,
    );
}

/**
 * Sets the mode of a data directory to 0700 if this user owns it. Throws ConfigError with path and mode for a directory
 * of another user that everybody may write, a file that anybody but its owner may write, or one of the `secrets` that
 * everybody may read.
 */
export function refuseLooseDataDir(
  dataDir: string,
  { files, secrets, owner = process.getuid?.() }: { files: string[]; secrets: string[]; owner?: number },
): void {
  const { uid, mode } = statSync(dataDir);
  const isSticky = (mode & STICKY) !== 0;
  // A sticky directory such as /tmp is meant for several owners.
  if (uid === owner && !isSticky) {
    if (mode & ALL_BUT_OWNER) chmodSync(dataDir, mode & ~ALL_BUT_OWNER & 0o7777);
  } else if (isPosix && mode & OTHERS_WRITE && !isSticky)
    invalid(
      `DATA_DIR ${dataDir} has mode ${octal(mode)}, so that anybody may put files in it, and belongs to somebody else: ` +
        `chmod o-w it, ${OR_ALLOW}`,
    );
  for (const name of [...files, ...secrets]) refuseWritableByOthers(join(dataDir, name));
  for (const name of secrets) refuseReadableByOthers(join(dataDir, name));
}

function refuseReadableByOthers(file: string): void {
  const mode = statOf(file)?.mode;
  if (mode !== undefined && mode & OTHERS_READ)
    invalid(
      `${file} has mode ${octal(mode)}, and holds a secret that others have been able to read: chmod 600 it, and make a new one ` +
        `(keys rotate, root rotate) if others use this machine, ${OR_ALLOW}`,
    );
}

/** On other systems the mode does not describe the permissions. */
const isPosix = process.getuid !== undefined;

function statOf(file: string): Stats | undefined {
  return isPosix ? statSync(file, { throwIfNoEntry: false }) : undefined;
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}
