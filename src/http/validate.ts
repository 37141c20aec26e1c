import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { apiSchemas, schemaPath } from '../../schemas/v1/apiSchemas.ts';
import type { Schema } from '../../schemas/v1/schemaBuilders.ts';
import { ApiError } from '../domain/errors.ts';
import { bareIpv6 } from '../authentication/bareIpv6.ts';
import { DATE_TIME, isDateTime } from './isDateTime.ts';

/** Problems that a refusal lists. */
const MOST_PROBLEMS = 10;

/** Checks bodies against schemas that are known by name. Throws a plain Error for a name that is not. */
export type Validator = {
  /** The properties that a body may have. */
  properties(name: string): string[];
  /**
   * Checks a body and fills in defaults. Throws InputValidationError that names what is wrong and what would be right, never
   * a value: it could be a secret.
   */
  checkInput(name: string, body: object): void;
  /** Checks a reply, which may have another form. Throws a plain Error, as it is our own fault when it is wrong. */
  checkOutput(name: string, body: unknown, other?: string): void;
};

/** A schema is compiled when it is first needed: a command of the command line needs few of them, or none. */
export function makeValidator(schemas: Readonly<Record<string, Schema>>): Validator {
  const validators = new Map<string, ValidateFunction>();
  let ajv: Ajv | undefined;

  function validatorOf(name: string): ValidateFunction {
    const known = validators.get(name);
    if (known) return known;
    ajv ??= ajvWith(schemas);
    const validate = ajv.getSchema(`${schemaPath(name)}#`);
    if (!validate) throw new Error(`there is no schema ${name} in schemas/v1 or of a guarded service`);
    validators.set(name, validate);
    return validate;
  }

  /** A date may have the right form and still be none, as 23:59:60 is, or lie in a year that has no such form. */
  function impossibleDates(name: string, body: object): string[] {
    return datesOf(schemas[name]!)
      .filter((key) => key in body && !isDateTime((body as Record<string, string>)[key]!))
      .map((key) => `body.${key} must be ${DATE_TIME}`);
  }

  return {
    properties: (name) => Object.keys((schemas[name]?.['properties'] as object | undefined) ?? {}),
    checkInput(name, body) {
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
    },
    checkOutput(name, body, other) {
      const validate = validatorOf(name);
      if (other !== undefined && validatorOf(other)(body)) return;
      if (!validate(body))
        throw new Error(`a reply does not match ${name}: ${validate.errors!.map(described).join('; ')}`);
    },
  };
}

/** Of the bodies in schemas/v1. */
export const apiValidator = makeValidator(apiSchemas);

function ajvWith(schemas: Readonly<Record<string, Schema>>): Ajv {
  const ajv = new Ajv({
    useDefaults: true,
    allErrors: false,
    strict: true,
    strictTypes: false,
    ownProperties: true,
  });
  addFormats.default(ajv);
  const hostname = addFormats.default.get('hostname') as RegExp;
  // The published schema asks for a name, and services have addresses too.
  ajv.addFormat('hostname', (text: string) => hostname.test(text) || bareIpv6(text) !== undefined);
  // They name Taskcluster's own metaschema, which only says more about documentation than JSON schema's does.
  for (const { $schema: _, $id, ...schema } of Object.values(schemas))
    ajv.addSchema({ $id: $id as string, ...schema });
  return ajv;
}

const dates = new WeakMap<Schema, string[]>();

/** The properties of a body that are dates. All bodies have theirs at the top. */
function datesOf(schema: Schema): string[] {
  const known = dates.get(schema);
  if (known) return known;
  const found = Object.entries((schema['properties'] ?? {}) as Record<string, { format?: string }>)
    .filter(([, { format }]) => format === 'date-time')
    .map(([key]) => key);
  dates.set(schema, found);
  return found;
}

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
