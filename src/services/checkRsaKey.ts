import { createPrivateKey } from 'node:crypto';

/**
 * Checks that a text in a setting is the PEM of an RSA private key. Throws an Error whose name and code say so, with the place in
 * the setting: they are logged. Nothing of the text is in it.
 */
export function checkRsaKey(text: string, place: string): void {
  if (typeOf(text) === 'rsa') return;
  const error = new Error(`${place} must be the PEM of an RSA private key`);
  throw Object.assign(error, { name: 'NotAnRsaPrivateKey', code: place });
}

function typeOf(pem: string): string | undefined {
  try {
    return createPrivateKey(pem).asymmetricKeyType;
  } catch {
    return undefined;
  }
}
