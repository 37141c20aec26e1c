/** A setting is wrong: the message names it, says what is wrong and what would be right, and shows no secret. */
export class ConfigError extends Error {}

/** Throws ConfigError. */
export function invalid(message: string): never {
  throw new ConfigError(message);
}

/** What was given, for a message; no secret is ever shown so. */
export function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}
