import addFormats from 'ajv-formats';

/** The rule in words, for error messages. */
export const DATE_TIME =
  'a date that exists, with time and zone as 2030-01-01T00:00:00Z has them, in the years 0000 to 9999 (UTC)';

const { validate } = addFormats.default.get('date-time') as { validate(text: string): boolean };

/**
 * Whether a text is a date that the API accepts: a `date-time` of JSON schema (RFC 3339, with a zone) in the years 0000
 * to 9999 of UTC. For other years, `Date.toJSON` writes a form that is no date-time.
 */
export function isDateTime(text: string): boolean {
  if (!validate(text)) return false;
  const year = new Date(text).getUTCFullYear();
  // Date reads 0049 as 2049 if the text has no T.
  return year >= 0 && year <= 9999 && Math.abs(year - Number(text.slice(0, 4))) <= 1;
}
