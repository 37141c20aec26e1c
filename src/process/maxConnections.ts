/** Files, and connections to other servers, that this process may have open besides connections of callers. */
const RESERVED_FILES = 100;

type UserLimits = { userLimits?: { open_files?: { soft: number | 'unlimited' } } };

/** How many connections of callers the operating system's limit of open files (`ulimit -n`) leaves room for. */
export function maxConnections(): number {
  const { report } = process;
  (report as { excludeNetwork?: boolean }).excludeNetwork = true;
  const limit = (report.getReport() as UserLimits).userLimits?.open_files?.soft;
  return typeof limit === 'number' ? Math.max(limit - RESERVED_FILES, Math.floor(limit / 4)) : Infinity;
}
