/** The one stream of all roles: they share it because acyclicity concerns all of them together. */
export const ROLES_STREAM = 'roles';

const CLIENT_PREFIX = 'client-';
const CREDENTIALS_PREFIX = 'credentials-';

/** The stream of a client, also after it was deleted and created again. */
export function clientStream(clientId: string): string {
  return CLIENT_PREFIX + clientId;
}

/** The client of a stream; undefined if it is another kind of stream. */
export function clientOfStream(stream: string): string | undefined {
  return stream.startsWith(CLIENT_PREFIX) ? stream.slice(CLIENT_PREFIX.length) : undefined;
}

/** The stream that records which credentials a guarded service gave to whom. */
export function credentialsStream(service: string): string {
  return CREDENTIALS_PREFIX + service;
}

/** The guarded service of a stream; undefined if it is another kind of stream. */
export function serviceOfStream(stream: string): string | undefined {
  return stream.startsWith(CREDENTIALS_PREFIX) ? stream.slice(CREDENTIALS_PREFIX.length) : undefined;
}

/** Whether the events of a stream are published to other systems. */
export function isPublishedStream(stream: string): boolean {
  return isAuthStream(stream) || stream.startsWith(CREDENTIALS_PREFIX);
}

/** Whether a stream decides on access, so that every event in it must be understood. */
export function isAuthStream(stream: string): boolean {
  return stream === ROLES_STREAM || stream.startsWith(CLIENT_PREFIX);
}
