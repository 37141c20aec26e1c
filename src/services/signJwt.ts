/** What a JWT says, with its times in seconds. */
export type Claims = Record<string, string | number>;

/** Signs a JWT with HMAC and SHA-256. */
export async function signJwt(claims: Claims, secret: string): Promise<string> {
  const { SignJWT } = await import('jose');
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .sign(new TextEncoder().encode(secret));
}

/** A time as JWTs have it: whole seconds, never later. */
export function jwtTime(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}
