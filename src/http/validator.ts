import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { apiSchemas, schemaPath } from '../../schemas/v1/apiSchemas.ts';
import type { Schema } from '../../schemas/v1/schemaBuilders.ts';
import { ApiError } from '../domain/errors.ts';
import { bareIpv6 } from '../authentication/bareIpv6.ts';
import { DATE_TIME, isDateTime } from './isDateTime.ts';

/** Problems that an error lists. */
const MAX_PROBLEMS = 10;

/** Validates bodies against schemas by name. Throws a plain Error for an unknown name. */
export type Validator = {
  /** The properties that a body may have. */
  properties(name: string): string[];
  /**
   * Validates a body and fills in defaults. Throws InputValidationError that says what is wrong and what would be
   * right, but never quotes a value, which could be a secret.
   */
  checkInput(name: string, body: object): void;
  /**
   * Validates a reply, which may match another schema instead. Throws a plain Error, because a mistake is a bug of this
   * service.
   */
  checkOutput(name: string, body: unknown, other?: string): void;
};

/** Makes a validator. A schema is compiled on first use, because a command of the command line needs few or none. */
export function makeValidator(schemas: Readonly<Record<string, Schema>>): Validator {
  const validators = new Map<string, ValidateFunction>();
  let ajv: Ajv | undefined;

  function compiled(name: string): ValidateFunction {
    const known = validators.get(name);
    if (known) return known;
    const schema = schemas[name];
    if (!schema) throw new Error(`there is no schema ${name} in schemas/v1 or of a guarded service`);
    ajv ??= makeAjv(schemas);
    const validate = ajv.getSchema(schema['$id'] as string)!;
    validators.set(name, validate);
    return validate;
  }

  /** A date can have the right form and still not exist, such as 23:59:60, or lie outside the allowed years. */
  function invalidDates(name: string, body: object): string[] {
    return dateProperties(schemas[name]!)
      .filter((key) => key in body && !isDateTime((body as Record<string, string>)[key]!))
      .map((key) => `body.${key} must be ${DATE_TIME}`);
  }

  return {
    properties: (name) => Object.keys((schemas[name]?.['properties'] as object | undefined) ?? {}),
    checkInput(name, body) {
      const validate = compiled(name);
      const problems = validate(body) ? invalidDates(name, body) : validate.errors!.map(describeProblem);
      if (problems.length === 0) return;
      const shown = problems.slice(0, MAX_PROBLEMS);
      throw new ApiError(
        'InputValidationError',
        `the body does not match its schema:\n${shown.map((each) => `  * ${each}`).join('\n')}`,
        {
          problems: shown,
          schema: schemaPath(schemas[name]!),
        },
      );
    },
    checkOutput(name, body, other) {
      const validate = compiled(name);
      if (other !== undefined && compiled(other)(body)) return;
      if (!validate(body))
        throw new Error(
          `a reply does not match ${name}: ${validate.errors!.map(describeProblem).join('; ')}`,
        );
    },
  };
}

/** The validator for the schemas in schemas/v1. */
export const apiValidator = makeValidator(apiSchemas);

function makeAjv(schemas: Readonly<Record<string, Schema>>): Ajv {
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
  // The published schema requires a host name, but services may be addressed by an IP address, too.
  ajv.addFormat('hostname', (text: string) => hostname.test(text) || bareIpv6(text) !== undefined);
  // The schemas name Taskcluster's own metaschema, which differs from that of JSON schema in documentation only.
  for (const { $schema: _, $id, ...schema } of Object.values(schemas))
    ajv.addSchema({ $id: $id as string, ...schema });
  return ajv;
}

const datePropertiesCache = new WeakMap<Schema, string[]>();

/** The properties of a body that are dates. In all schemas, they are at the top level. */
function dateProperties(schema: Schema): string[] {
  const known = datePropertiesCache.get(schema);
  if (known) return known;
  const found = Object.entries((schema['properties'] ?? {}) as Record<string, { format?: string }>)
    .filter(([, { format }]) => format === 'date-time')
    .map(([key]) => key);
  datePropertiesCache.set(schema, found);
  return found;
}

function describeProblem({ instancePath, keyword, message, params }: ErrorObject): string {
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
