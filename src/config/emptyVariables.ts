import type { ServiceVariable } from './serviceSettings.ts';

/** Refused when they are empty: to take them for unset would open something, or empty it. */
const REFUSED = [
  'STATIC_CLIENTS',
  'STATIC_CLIENTS_FILE',
  'SECRET_KEYS',
  'SECRET_KEYS_FILE',
  'READ_ACCESS',
  'EVENT_STORE_URL',
  'READ_STORE_URL',
  'ALLOWED_HOSTS',
  'REPLAY_PROTECTION',
  'REQUIRE_PAYLOAD_HASH',
  'MAX_BEWIT_LIFETIME',
  'RATE_LIMIT_AUTHENTICATE',
  'KAFKA_SASL_MECHANISM',
  'KAFKA_SASL_USERNAME',
  'KAFKA_SASL_PASSWORD',
];

/** For these, to be empty is a value: no origin at all. */
const VALUES = new Set(['ALLOWED_CORS_ORIGIN']);

/**
 * The variables that are set. One that is empty counts as unset, as compose files set variables so; `problems` name those that
 * must not be empty.
 */
export function withoutEmpty(
  services: readonly Pick<ServiceVariable, 'variable'>[],
  env: Record<string, string | undefined>,
): {
  given: Record<string, string>;
  problems: string[];
} {
  const refused = new Set([
    ...REFUSED,
    ...services.flatMap(({ variable }) => [variable, `${variable}_FILE`]),
  ]);
  const given: Record<string, string> = {};
  const problems: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue;
    if (value !== '' || VALUES.has(name)) given[name] = value;
    else if (refused.has(name)) problems.push(`${name} is set and empty: give it a value, or do not set it`);
  }
  return { given, problems };
}
