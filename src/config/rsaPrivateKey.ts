import { createPrivateKey } from 'node:crypto';
import { type Schema, text } from '../../schemas/v1/schemaBuilders.ts';

/** The schema of an RSA private key in a setting: PEM, not encrypted. */
export const rsaPrivateKey: Schema = {
  ...text,
  pattern: '^-----BEGIN (RSA )?PRIVATE KEY-----',
  format: 'rsa-private-key',
};

/** Whether a text has the format `rsa-private-key`. */
export function isRsaPrivateKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyType === 'rsa';
  } catch {
    return false;
  }
}
