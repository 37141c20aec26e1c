const cache = new WeakMap<Date, string>();

/** A date that is told again and again, as JSON has it; made once for each Date, which must not be changed. */
export function isoDate(date: Date): string {
  const known = cache.get(date);
  if (known !== undefined) return known;
  const text = date.toJSON();
  cache.set(date, text);
  return text;
}
