const cache = new WeakMap<Date, string>();

/** The text of a date as in JSON (ISO 8601), memoized for each Date object, which must not be modified. */
export function isoDate(date: Date): string {
  const known = cache.get(date);
  if (known !== undefined) return known;
  const text = date.toJSON();
  cache.set(date, text);
  return text;
}
