/** File descriptors reserved for files and for connections to other servers. */
const RESERVED_FILES = 100;

type UserLimits = { userLimits?: { open_files?: { soft: number | 'unlimited' } } };

/**
 * How many connections of callers the operating system's limit of open files (`ulimit -n`) allows; Infinity if
 * unlimited.
 */
export function maxConnections(): number {
  const { report } = process;
  (report as { excludeNetwork?: boolean }).excludeNetwork = true;
  const limit = (report.getReport() as UserLimits).userLimits?.open_files?.soft;
  return typeof limit === 'number' ? Math.max(limit - RESERVED_FILES, Math.floor(limit / 4)) : Infinity;
}
