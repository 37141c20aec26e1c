import { readFileSync } from 'node:fs';
import { ConfigError, invalid } from './configError.ts';
import { refuseWritableByOthers } from './permissions.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * The text of a setting that may be secret: in a variable, or in the file that `<variable>_FILE` names. Throws
 * ConfigError if both are set, if the file cannot be read, and if others may write it, unless ALLOW_LOOSE_PERMISSIONS
 * is `true`.
 */
export function readSettingText(variable: string, env: Variables): string | undefined {
  const fileVariable = `${variable}_FILE`;
  const { [variable]: text, [fileVariable]: file } = env;
  if (file === undefined) return text;
  if (text !== undefined) invalid(`${variable} and ${fileVariable} are both set: set one of them`);
  try {
    if (env['ALLOW_LOOSE_PERMISSIONS'] !== 'true') refuseWritableByOthers(file);
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof ConfigError) return invalid(`${fileVariable}: ${error.message}`);
    return invalid(
      `${fileVariable} must name a file that can be read (${(error as NodeJS.ErrnoException).code})`,
    );
  }
}

/** The variables, with the text of those that are set by a file. `problems` name the files that cannot be used. */
export function readSettingFiles<Env extends Variables>(
  env: Env,
  variables: readonly string[],
): { given: Env; problems: string[] } {
  const given: Record<string, string | undefined> = { ...env };
  const problems: string[] = [];
  for (const variable of variables) {
    try {
      const text = readSettingText(variable, env);
      if (text !== undefined) given[variable] = text;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(error.message);
    }
  }
  return { given: given as Env, problems };
}
