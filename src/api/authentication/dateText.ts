const texts = new WeakMap<Date, string>();

/** A date that is told again and again, as JSON has it; made once for each Date, which must not be changed. */
export function dateText(date: Date): string {
  const known = texts.get(date);
  if (known !== undefined) return known;
  const text = date.toJSON();
  texts.set(date, text);
  return text;
}
