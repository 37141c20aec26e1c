import { type Schema, text } from '../../schemas/v1/schemaBuilders.ts';

/** Where a third party is, in a setting. What is sent there, and comes back, is secret. */
export const thirdPartyUrl: Schema = {
  ...text,
  description: 'an https address without user and query, or an http one on this machine',
  pattern:
    '^(https://([A-Za-z0-9.-]+|\\[[0-9A-Fa-f:]+\\])|http://(localhost|127\\.0\\.0\\.1|\\[::1\\]))(:\\d{1,5})?(/[A-Za-z0-9._~/-]*)?$',
};

/** The same without a slash at the end, for a path to be added. */
export function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
