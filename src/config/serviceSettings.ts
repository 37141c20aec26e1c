import { Ajv, type ErrorObject } from 'ajv';
import addFormats from 'ajv-formats';
import type { Schema } from '../../schemas/v1/schemaBuilders.ts';
import { ConfigError, invalid } from './configError.ts';
import { HS256_SECRET_BYTES, SHORT_SECRET_BYTES } from './hs256Secret.ts';
import { isRsaPrivateKey } from './rsaPrivateKey.ts';
import { textOf } from './settingFiles.ts';

/** Where the setting of a guarded service is, and what it must match. */
export type ServiceVariable = { variable: string; settingSchema: Schema };

/** The settings of the guarded services that are configured, by the name of their variable. */
export type ServiceSettings = Readonly<Record<string, unknown>>;

/** Problems that a refusal lists of each setting. */
const MOST_PROBLEMS = 10;

/**
 * Reads the settings of the guarded services: JSON in a variable, or in the file that `<variable>_FILE` names. A problem names the
 * variable that is wrong, the place in it and what would be right, and shows no value: all of it may be secret. Secrets that are too
 * short are taken where ALLOW_SHORT_SECRETS is `true`.
 */
export function readServiceSettings(
  services: readonly ServiceVariable[],
  env: Record<string, string | undefined>,
): {
  settings: ServiceSettings;
  problems: string[];
} {
  const problems: string[] = [];
  const settings: Record<string, unknown> = {};
  const allowShortSecrets = env['ALLOW_SHORT_SECRETS'] === 'true';
  // Services of one third party may share a variable.
  const variables = new Map(services.map(({ variable, settingSchema }) => [variable, settingSchema]));
  for (const [variable, settingSchema] of variables) {
    try {
      const text = textOf(variable, env);
      if (text !== undefined)
        settings[variable] = readServiceSetting(variable, { text, settingSchema, allowShortSecrets });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(error.message);
    }
  }
  return { settings, problems };
}

/** Which guarded services are configured, as anybody may see it. */
export function redactedServiceSettings(
  services: readonly ServiceVariable[],
  settings: ServiceSettings,
): Record<string, string> {
  return Object.fromEntries(
    services.map(({ variable }) => [variable, variable in settings ? '(set, not shown)' : '(not set)']),
  );
}

/** Made where a service is configured only, and once: what it costs is most of what settings cost at start. */
const validators = new Map<boolean, Ajv>();

function ajvFor(allowShortSecrets: boolean): Ajv {
  const known = validators.get(allowShortSecrets);
  if (known) return known;
  const made = new Ajv({
    allErrors: true,
    verbose: true,
    strict: true,
    strictTypes: false,
    useDefaults: true,
  });
  addFormats.default(made);
  made.addFormat('rsa-private-key', isRsaPrivateKey);
  const leastBytes = allowShortSecrets ? SHORT_SECRET_BYTES : HS256_SECRET_BYTES;
  made.addFormat('hs256-secret', (secret) => Buffer.byteLength(secret) >= leastBytes);
  validators.set(allowShortSecrets, made);
  return made;
}

/** Reads one setting. Throws ConfigError that names the places where it is wrong. */
export function readServiceSetting(
  variable: string,
  {
    text,
    settingSchema,
    allowShortSecrets = false,
  }: { text: string; settingSchema: object; allowShortSecrets?: boolean },
): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    invalid(`${variable} is not valid JSON`);
  }
  const validate = ajvFor(allowShortSecrets).compile(settingSchema);
  if (validate(value)) return value;
  const problems = validate.errors!.slice(0, MOST_PROBLEMS).map((error) => {
    return `${variable}${placeOf(error, value)} ${rightOf(error)}`;
  });
  return invalid([...new Set(problems)].join('\n'));
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
  const { format } = params as { format?: string };
  if (format === 'rsa-private-key') return 'must be the PEM of an RSA private key, not encrypted';
  if (format === 'hs256-secret')
    return `must have at least ${HS256_SECRET_BYTES} bytes (RFC 7518, section 3.2), or ${SHORT_SECRET_BYTES} with ALLOW_SHORT_SECRETS=true, for an old one that must stay`;
  const { description } = (parentSchema ?? {}) as { description?: string };
  if (keyword === 'pattern' && description !== undefined) return `must be ${description}`;
  if (keyword === 'propertyNames') return 'has a name that is not possible';
  if (keyword === 'enum')
    return `must be one of ${(params as { allowedValues: unknown[] }).allowedValues.join(', ')}`;
  return message!;
}
