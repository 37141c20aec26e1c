/** The one stream of all roles: acyclicity concerns them all together. */
export const ROLES_STREAM = 'roles';

/** The stream of a client, through all its lives. */
export function clientStream(clientId: string): string {
  return `client-${clientId}`;
}

/** Whether a stream decides on access, so that every event in it must be understood. */
export function isAuthStream(stream: string): boolean {
  return stream === ROLES_STREAM || stream.startsWith('client-');
}
