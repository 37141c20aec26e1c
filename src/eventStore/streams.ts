/** The one stream of all roles: they share it because acyclicity concerns all of them together. */
export const ROLES_STREAM = 'roles';

/** The stream of a client, also after it was deleted and created again. */
export function clientStream(clientId: string): string {
  return `client-${clientId}`;
}

const CREDENTIALS_PREFIX = 'credentials-';

/** The stream that records which credentials a guarded service gave to whom. */
export function credentialsStream(service: string): string {
  return CREDENTIALS_PREFIX + service;
}

/** Whether the events of a stream are published to other systems. */
export function isPublishedStream(stream: string): boolean {
  return isAuthStream(stream) || stream.startsWith(CREDENTIALS_PREFIX);
}

/** Whether a stream decides on access, so that every event in it must be understood. */
export function isAuthStream(stream: string): boolean {
  return stream === ROLES_STREAM || stream.startsWith('client-');
}
