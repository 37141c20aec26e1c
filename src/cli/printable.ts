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

/** Escapes characters that could control the terminal. */
export function printable(line: string): string {
  return line.replaceAll(/[^\x20-\x7e]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}
