/** A setting is invalid. The message names it, says what is wrong and what is expected, and contains no secret. */
export class ConfigError extends Error {}

/** Throws ConfigError. */
export function invalid(message: string): never {
  throw new ConfigError(message);
}

/** A value for a message, cut to 64 characters. Not to be used for secrets. */
export function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}
