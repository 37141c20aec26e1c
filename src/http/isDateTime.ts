import addFormats from 'ajv-formats';

/** What a date has to be, in words. */
export const DATE_TIME =
  'a date that exists, with time and zone as 2030-01-01T00:00:00Z has them, in the years 0000 to 9999 (UTC)';

const { validate } = addFormats.default.get('date-time') as { validate(text: string): boolean };

/**
 * Whether a text is a date as the API takes it: `date-time` of JSON schema (RFC 3339, with a zone), which Date can represent in
 * the years 0000 to 9999 of UTC. `toJSON` writes other years in a form that is no date-time.
 */
export function isDateTime(text: string): boolean {
  if (!validate(text)) return false;
  const year = new Date(text).getUTCFullYear();
  // Not written with a T, 0049 is read as 2049.
  return year >= 0 && year <= 9999 && Math.abs(year - Number(text.slice(0, 4))) <= 1;
}
