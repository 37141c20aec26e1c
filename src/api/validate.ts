import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { schemaPath } from '../../schemas/v1/apiSchemas.ts';
import { ApiError } from '../domain/errors.ts';
import { bareIpv6 } from './bareIpv6.ts';
import { DATE_TIME, isDateTime } from '../isDateTime.ts';
import { bodySchemas } from './bodySchemas.ts';

/** Problems that a refusal lists. */
const MOST_PROBLEMS = 10;

const ajv = new Ajv({
  useDefaults: true,
  allErrors: false,
  strict: true,
  strictTypes: false,
  ownProperties: true,
  // A test checks the schemas themselves: each start would wait for that.
  validateSchema: false,
});
addFormats.default(ajv);
const hostname = addFormats.default.get('hostname') as RegExp;
// The published schema asks for a name, and services have addresses too.
ajv.addFormat('hostname', (text: string) => hostname.test(text) || bareIpv6(text) !== undefined);
// They name Taskcluster's own metaschema, which only says more about documentation than JSON schema's does.
for (const { $schema: _, $id, ...schema } of Object.values(bodySchemas))
  ajv.addSchema({ $id: $id as string, ...schema });

const validators = new Map<string, ValidateFunction>();

/** A schema is compiled when it is first needed: a command of the command line needs few of them, or none. */
function validatorOf(name: string): ValidateFunction {
  const known = validators.get(name);
  if (known) return known;
  const validate = ajv.getSchema(`${schemaPath(name)}#`);
  if (!validate) throw new Error(`there is no schema ${name} in schemas/v1 or of a guarded service`);
  validators.set(name, validate);
  return validate;
}

/** The properties that a body may have. */
export function inputProperties(name: string): string[] {
  return Object.keys((bodySchemas[name]?.['properties'] as object | undefined) ?? {});
}

/**
 * Checks a body and fills in defaults. Throws InputValidationError that names what is wrong and what would be right, never
 * a value: it could be a secret.
 */
export function validateInput(name: string, body: object): void {
  const validate = validatorOf(name);
  const problems = validate(body) ? impossibleDates(name, body) : validate.errors!.map(described);
  if (problems.length === 0) return;
  const shown = problems.slice(0, MOST_PROBLEMS);
  throw new ApiError(
    'InputValidationError',
    `the body does not match its schema:\n${shown.map((each) => `  * ${each}`).join('\n')}`,
    {
      problems: shown,
      schema: schemaPath(name),
    },
  );
}

/** Checks a reply, which may have another form. Throws a plain Error, as it is our own fault when it is wrong. */
export function validateOutput(name: string, body: unknown, other?: string): void {
  const validate = validatorOf(name);
  if (other !== undefined && validatorOf(other)(body)) return;
  if (!validate(body))
    throw new Error(`a reply does not match ${name}: ${validate.errors!.map(described).join('; ')}`);
}

/** Checks a row of a list that is never in one place as a whole. Throws a plain Error. */
export const validateRow: (name: string, row: unknown) => void = validateOutput;

function described({ instancePath, keyword, message, params }: ErrorObject): string {
  const path = `body${instancePath.replaceAll('/', '.')}`;
  if (keyword === 'additionalProperties') {
    const { additionalProperty } = params as { additionalProperty: string };
    return `${path} has a property ${JSON.stringify(additionalProperty.slice(0, 64))}, which is not known here`;
  }
  if (keyword === 'enum')
    return `${path} must be one of ${(params as { allowedValues: string[] }).allowedValues.join(', ')}`;
  if (keyword === 'format' && (params as { format: string }).format === 'date-time')
    return `${path} must be ${DATE_TIME}`;
  return `${path} ${message}`;
}

/** The properties of a body that are dates. All bodies have theirs at the top. */
const dates = new Map(
  Object.entries(bodySchemas).map(([name, { properties = {} }]) => [
    name,
    Object.entries(properties as Record<string, { format?: string }>)
      .filter(([, { format }]) => format === 'date-time')
      .map(([key]) => key),
  ]),
);

/** A date may have the right form and still be none, as 23:59:60 is, or lie in a year that has no such form. */
function impossibleDates(name: string, body: object): string[] {
  return dates
    .get(name)!
    .filter((key) => key in body && !isDateTime((body as Record<string, string>)[key]!))
    .map((key) => `body.${key} must be ${DATE_TIME}`);
}
