/** JSON in ASCII. JSON alone leaves some control characters unescaped, which could control the terminal. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A JSON value in whose texts all characters are escaped that could control the terminal. */
export function withPrintableTexts<Value>(value: Value): Value {
  return JSON.parse(JSON.stringify(value), (_, each: unknown) =>
    typeof each === 'string' ? printable(each) : each,
  ) as Value;
}

/**
 * Characters that could control the terminal or show lines in another order: control characters (C0 and C1), lone
 * surrogates, those that separate lines, and those that change the direction of text.
 */
const CONTROLLING = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/** Escapes characters that could control the terminal; others stay as they are, in any script. */
export function printable(line: string): string {
  return line.replaceAll(CONTROLLING, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}
