import { text } from '../../schemas/v1/schemaBuilders.ts';

/** The least bytes of a secret for HS256: the size of the hash (RFC 7518, section 3.2). */
export const HS256_SECRET_BYTES = 32;
/** The least bytes with ALLOW_SHORT_SECRETS=true, for secrets from before that limit. */
export const LEGACY_SECRET_BYTES = 16;

/** The schema of an HS256 secret in a setting. */
export const hs256Secret = { ...text, format: 'hs256-secret' };
