import { Ajv, type ErrorObject } from 'ajv';
import addFormats from 'ajv-formats';
import type { Schema } from '../../schemas/v1/schemaBuilders.ts';
import { ConfigError, invalid } from './configError.ts';
import { HS256_SECRET_BYTES, LEGACY_SECRET_BYTES } from './hs256Secret.ts';
import { isRsaPrivateKey } from './rsaPrivateKey.ts';
import { readSettingText } from './settingFiles.ts';

/** The variable of a guarded service's setting, and the JSON schema of the setting. */
export type ServiceVariable = { variable: string; settingSchema: Schema };

/** The settings of the configured guarded services, by variable name. */
export type ServiceSettings = Readonly<Record<string, unknown>>;

/** The most problems that are reported for a setting. */
const MAX_PROBLEMS = 10;

/**
 * Reads the settings of the guarded services: JSON in a variable, or in the file that `<variable>_FILE` names. A
 * problem names the variable, the path in it and what is expected. It contains no value, because any of them may be
 * secret. Secrets that are too short are accepted if ALLOW_SHORT_SECRETS is `true`.
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
      const text = readSettingText(variable, env);
      if (text !== undefined)
        settings[variable] = readServiceSetting(variable, { text, settingSchema, allowShortSecrets });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(error.message);
    }
  }
  return { settings, problems };
}

/** Which guarded services are configured, without their settings. */
export function redactedServiceSettings(
  services: readonly ServiceVariable[],
  settings: ServiceSettings,
): Record<string, string> {
  return Object.fromEntries(
    services.map(({ variable }) => [variable, variable in settings ? '(set, not shown)' : '(not set)']),
  );
}

/** Created at first use: they take most of the time that reading the settings takes. */
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
  const minBytes = allowShortSecrets ? LEGACY_SECRET_BYTES : HS256_SECRET_BYTES;
  made.addFormat('hs256-secret', (secret) => Buffer.byteLength(secret) >= minBytes);
  validators.set(allowShortSecrets, made);
  return made;
}

/** Reads one setting. Throws ConfigError that names the paths of its problems. */
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
  const problems = validate.errors!.slice(0, MAX_PROBLEMS).map((error) => {
    return `${variable}${pathOf(error, value)} ${expectationOf(error)}`;
  });
  return invalid([...new Set(problems)].join('\n'));
}

/**
 * The path of a problem in a setting. Property names that the schema does not declare appear as a number, because a
 * misplaced value may be a secret.
 */
function pathOf({ instancePath, schemaPath }: ErrorObject, setting: unknown): string {
  const declared = schemaPath.split('/').map(decodePointerSegment);
  let value = setting;
  return instancePath
    .split('/')
    .slice(1)
    .map((part) => {
      const name = decodePointerSegment(part);
      const parent = value as Record<string, unknown>;
      value = parent[name];
      if (Array.isArray(parent)) return `[${name}]`;
      return declared.includes(name) ? `.${name}` : `{entry ${Object.keys(parent).indexOf(name) + 1}}`;
    })
    .join('');
}

function decodePointerSegment(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}

function expectationOf({ keyword, message, params, parentSchema }: ErrorObject): string {
  if (keyword === 'additionalProperties')
    return `has a property that is not known here; known: ${Object.keys((parentSchema as { properties?: object } | undefined)?.properties ?? {}).join(', ')}`;
  const { format } = params as { format?: string };
  if (format === 'rsa-private-key') return 'must be the PEM of an RSA private key, not encrypted';
  if (format === 'hs256-secret')
    return `must have at least ${HS256_SECRET_BYTES} bytes (RFC 7518, section 3.2), or ${LEGACY_SECRET_BYTES} with ALLOW_SHORT_SECRETS=true, for an old one that must stay`;
  const { description } = (parentSchema ?? {}) as { description?: string };
  if (keyword === 'pattern' && description !== undefined) return `must be ${description}`;
  if (keyword === 'propertyNames') return 'has a name that is not possible';
  if (keyword === 'enum')
    return `must be one of ${(params as { allowedValues: unknown[] }).allowedValues.join(', ')}`;
  return message!;
}
