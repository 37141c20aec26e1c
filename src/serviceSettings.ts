import { readFileSync } from 'node:fs';
import { Ajv, type ErrorObject } from 'ajv';
import addFormats from 'ajv-formats';
import { ConfigError, wrong } from './configError.ts';
import { guardedServices } from './services/guardedServices.ts';
import { isRsaPrivateKey } from './services/rsaPrivateKey.ts';

/** The settings of the guarded services that are configured, by the name of their variable. */
export type ServiceSettings = Readonly<Record<string, unknown>>;

/** Problems that a refusal lists of each setting. */
const MOST_PROBLEMS = 10;

/**
 * Reads the settings of the guarded services: JSON in a variable, or in the file that `<variable>_FILE` names. A problem names the
 * variable that is wrong, the place in it and what would be right, and shows no value: all of it may be secret.
 */
export function readServiceSettings(env: Record<string, string | undefined>): {
  settings: ServiceSettings;
  problems: string[];
} {
  const problems: string[] = [];
  const settings: Record<string, unknown> = {};
  // Services of one third party may share a variable.
  const variables = new Map(guardedServices.map(({ variable, settingSchema }) => [variable, settingSchema]));
  for (const [variable, settingSchema] of variables) {
    try {
      const text = textOf(variable, env);
      if (text !== undefined) settings[variable] = readServiceSetting(variable, { text, settingSchema });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(error.message);
    }
  }
  return { settings, problems };
}

/** Which guarded services are configured, as anybody may see it. */
export function redactedServiceSettings(settings: ServiceSettings): Record<string, string> {
  return Object.fromEntries(
    guardedServices.map(({ variable }) => [
      variable,
      variable in settings ? '(set, not shown)' : '(not set)',
    ]),
  );
}

function textOf(variable: string, env: Record<string, string | undefined>): string | undefined {
  const fileVariable = `${variable}_FILE`;
  const { [variable]: text, [fileVariable]: file } = env;
  if (file === undefined) return text;
  if (text !== undefined) wrong(`${variable} and ${fileVariable} are both set: set one of them`);
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    return wrong(
      `${fileVariable} must name a file that can be read (${(error as NodeJS.ErrnoException).code})`,
    );
  }
}

/** Made where a service is configured only, and once: what it costs is most of what settings cost at start. */
let ajv: Ajv | undefined;

function makeAjv(): Ajv {
  const made = new Ajv({
    allErrors: true,
    verbose: true,
    strict: true,
    strictTypes: false,
    useDefaults: true,
  });
  addFormats.default(made);
  made.addFormat('rsa-private-key', isRsaPrivateKey);
  return made;
}

/** Reads one setting. Throws ConfigError that names the places where it is wrong. */
export function readServiceSetting(
  variable: string,
  { text, settingSchema }: { text: string; settingSchema: object },
): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    wrong(`${variable} is not valid JSON`);
  }
  ajv ??= makeAjv();
  const validate = ajv.compile(settingSchema);
  if (validate(value)) return value;
  const problems = validate.errors!.slice(0, MOST_PROBLEMS).map((error) => {
    return `${variable}${placeOf(error, value)} ${rightOf(error)}`;
  });
  return wrong([...new Set(problems)].join('\n'));
}

/**
 * Where in a setting something is wrong. Names that an administrator chose are counted instead of shown: one that stands where a
 * value should be may be a secret.
 */
function placeOf({ instancePath, schemaPath }: ErrorObject, setting: unknown): string {
  const declared = schemaPath.split('/').map(decoded);
  let value = setting;
  return instancePath
    .split('/')
    .slice(1)
    .map((part) => {
      const name = decoded(part);
      const parent = value as Record<string, unknown>;
      value = parent[name];
      if (Array.isArray(parent)) return `[${name}]`;
      return declared.includes(name) ? `.${name}` : `{entry ${Object.keys(parent).indexOf(name) + 1}}`;
    })
    .join('');
}

function decoded(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}

function rightOf({ keyword, message, params, parentSchema }: ErrorObject): string {
  if (keyword === 'additionalProperties')
    return `has a property that is not known here; known: ${Object.keys((parentSchema as { properties?: object } | undefined)?.properties ?? {}).join(', ')}`;
  if (keyword === 'format' && (params as { format: string }).format === 'rsa-private-key')
    return 'must be the PEM of an RSA private key, not encrypted';
  const { description } = (parentSchema ?? {}) as { description?: string };
  if (keyword === 'pattern' && description !== undefined) return `must be ${description}`;
  if (keyword === 'propertyNames') return 'has a name that is not possible';
  if (keyword === 'enum')
    return `must be one of ${(params as { allowedValues: unknown[] }).allowedValues.join(', ')}`;
  return message!;
}
