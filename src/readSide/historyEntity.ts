import type { Recorded } from '../event.ts';
import { clientOfStream, ROLES_STREAM, serviceOfStream } from '../eventStore/streams.ts';

/** What an event concerns: a client, a role, or the credentials of a guarded service, whose id is the service's name. */
export type HistoryEntity = { kind: 'client' | 'role' | 'credentials'; id: string };

/** What an event of the log concerns; undefined if its stream is not one that auditors read. */
export function historyEntityOf({
  stream,
  data,
}: Pick<Recorded, 'stream' | 'data'>): HistoryEntity | undefined {
  if (stream === ROLES_STREAM) return { kind: 'role', id: (data as { roleId: string }).roleId };
  const clientId = clientOfStream(stream);
  if (clientId !== undefined) return { kind: 'client', id: clientId };
  const service = serviceOfStream(stream);
  return service === undefined ? undefined : { kind: 'credentials', id: service };
}
