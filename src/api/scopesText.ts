const texts = new WeakMap<readonly string[], string>();

/**
 * The JSON text of a scope set, made once for each list: the role-expansion index answers the same question with the same
 * list until something in it changes. Scopes are ASCII, and so is the text.
 */
export function scopesText(scopes: readonly string[]): string {
  const known = texts.get(scopes);
  if (known !== undefined) return known;
  const text = JSON.stringify(scopes);
  texts.set(scopes, text);
  return text;
}
