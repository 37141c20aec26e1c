import { type Schema, text } from '../../schemas/v1/schemaBuilders.ts';

/**
 * The schema of a third party's address in a setting. It requires TLS, because requests and replies contain secrets.
 */
export const thirdPartyUrl: Schema = {
  ...text,
  description: 'an https address without user and query, or an http one on this machine',
  pattern:
    '^(https://([A-Za-z0-9.-]+|\\[[0-9A-Fa-f:]+\\])|http://(localhost|127\\.0\\.0\\.1|\\[::1\\]))(:\\d{1,5})?(/[A-Za-z0-9._~/-]*)?$',
};

/** The address without trailing slashes, so that a path can be appended. */
export function withoutTrailingSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
