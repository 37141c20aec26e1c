/** The claims of a JWT. Times are in seconds. */
export type Claims = Record<string, string | number>;

/** Signs a JWT with HMAC and SHA-256 (HS256). */
export async function signJwt(claims: Claims, secret: string): Promise<string> {
  const { SignJWT } = await import('jose');
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .sign(new TextEncoder().encode(secret));
}

/** A NumericDate (RFC 7519): whole seconds, rounded down. */
export function jwtTime(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}
