import { text } from '../../schemas/v1/schemaBuilders.ts';

/** Bytes of a secret that JWTs are signed with by HMAC and SHA-256: as many as the hash has (RFC 7518, section 3.2). */
export const HS256_SECRET_BYTES = 32;
/** What was taken before, and is where it must be kept. */
export const SHORT_SECRET_BYTES = 16;

/** The schema of such a secret in a setting. */
export const hs256Secret = { ...text, format: 'hs256-secret' };
