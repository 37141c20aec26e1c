/**
 * The message of a refusal over HTTP for one line of a terminal: without what the reply repeats of the request, and of
 * the scopes that a request needs only those that are missing.
 */
export function refusalText(message: string): string {
  const [said] = message.split(/\n\n(?:---\n\n\* method:|The request needs:\n\n)/) as [string];
  return said
    .replaceAll(/\s*^(`{3,})\n([^]*?)\n\1$/gm, (_, __, block: string) => ` ${block.replaceAll('\n', ', ')}`)
    .trim();
}

/** A message in which parameters have the names that the command line has for them. */
export function inWordsOfOptions(message: string, names: Readonly<Record<string, string>>): string {
  return message
    .replaceAll(/query parameter "(\w+)"/g, '$1')
    .replaceAll(/(?<=^|: | in | after )\w+(?= must| is|: |$)/g, (word) =>
      Object.hasOwn(names, word) ? names[word]! : word,
    );
}
