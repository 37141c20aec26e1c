/** The one stream of all roles: acyclicity concerns them all together. */
export const ROLES_STREAM = 'roles';

/** The stream of a client, through all its lives. */
export function clientStream(clientId: string): string {
  return `client-${clientId}`;
}

const CREDENTIALS_PREFIX = 'credentials-';

/** The stream that says what a guarded service gave to whom. */
export function credentialsStream(service: string): string {
  return CREDENTIALS_PREFIX + service;
}

/** Whether all that is in a stream is told to other systems. */
export function isPublishedStream(stream: string): boolean {
  return isAuthStream(stream) || stream.startsWith(CREDENTIALS_PREFIX);
}

/** Whether a stream decides on access, so that every event in it must be understood. */
export function isAuthStream(stream: string): boolean {
  return stream === ROLES_STREAM || stream.startsWith('client-');
}
