import { MAX_ID_LENGTH } from '../../schemas/constants.ts';
import { ApiError } from '../domain/errors.ts';
import { type Dialect, type Endpoint, queryOf, servedIn, URL_PREFIX } from './endpoint.ts';
import { pathPattern, queryPattern } from './parameters.ts';

/** The endpoint for a request, with its path parameters still percent-encoded. */
export type Match = { endpoint: Endpoint; dialect: Dialect; encoded: Record<string, string> };

type Route = { endpoint: Endpoint; dialect: Dialect; segments: string[] };

const NO_PARAMETERS = {};

/**
 * Makes the function that finds the endpoint for a method and a path. One trailing slash is ignored. Routes without
 * parameters take precedence. Throws a plain Error for a parameter without a pattern, and for a method of the dialect
 * `authledger` without scopes.
 */
export function makeMatchRoute(
  endpoints: readonly Endpoint[],
): (method: string, path: string) => Match | undefined {
  const routes = endpoints.flatMap((endpoint) =>
    servedIn(endpoint).map((dialect) => makeRoute(endpoint, dialect)),
  );
  const fixed = new Map(
    routes.filter(isFixed).flatMap(({ segments, ...route }): [string, Match][] => {
      const match = { ...route, encoded: NO_PARAMETERS };
      const name = `${route.endpoint.method} ${segments.join('/')}`;
      return [
        [name, match],
        [`${name}/`, match],
      ];
    }),
  );
  const others = routes.filter((route) => !isFixed(route));

  return (method, path) => {
    const verb = method === 'HEAD' ? 'get' : method.toLowerCase();
    const exact = fixed.get(`${verb} ${path}`);
    if (exact) return exact;
    const segments = path.split('/');
    const route = others.find((each) => each.endpoint.method === verb && matchesRoute(each, segments));
    return route && { ...route, encoded: encodedParameters(route, segments) };
  };
}

function makeRoute(endpoint: Endpoint, dialect: Dialect): Route {
  if (dialect === 'authledger' && endpoint.scopes === undefined)
    throw new Error(`${endpoint.name} declares no scopes, as every method at ${URL_PREFIX[dialect]} must`);
  const segments = (URL_PREFIX[dialect] + endpoint.route).replace(/\/$/, '').split('/');
  for (const segment of segments.filter(isParameter)) pathPattern(endpoint, parameterName(segment));
  for (const name of queryOf(endpoint)) queryPattern(endpoint, name);
  return { endpoint, dialect, segments };
}

function isFixed({ segments }: Route): boolean {
  return !segments.some(isParameter);
}

function isParameter(segment: string): boolean {
  return segment.startsWith('<');
}

function parameterName(parameter: string): string {
  return parameter.slice(1, -1);
}

function matchesRoute({ endpoint, segments: pattern }: Route, segments: string[]): boolean {
  const rest = endpoint.takesRest ? pattern.length - 1 : Infinity;
  return (
    (rest === Infinity ? segmentCount(segments) === pattern.length : segments.length >= rest) &&
    pattern.every((each, i) => i === rest || (isParameter(each) ? segments[i] !== '' : each === segments[i]))
  );
}

/** The number of segments without a trailing slash. */
function segmentCount(segments: string[]): number {
  return segments.at(-1) === '' ? segments.length - 1 : segments.length;
}

function encodedParameters(
  { endpoint, segments: pattern }: Route,
  segments: string[],
): Record<string, string> {
  const last = pattern.length - 1;
  const found = endpoint.takesRest ? [...segments.slice(0, last), segments.slice(last).join('/')] : segments;
  return Object.fromEntries(
    pattern.flatMap((each, i) => (isParameter(each) ? [[parameterName(each), found[i]!] as const] : [])),
  );
}

/** The decoded path parameters. Throws InvalidRequestArguments that names every one that does not match its pattern. */
export function readParameters({ endpoint, encoded }: Match): Record<string, string> {
  const params: Record<string, string> = {};
  if (encoded === NO_PARAMETERS) return params;
  const problems: string[] = [];
  for (const [name, text] of Object.entries(encoded)) {
    const value = decode(text);
    const pattern = pathPattern(endpoint, name);
    if (value === undefined) problems.push(`URL parameter ${name} is not valid percent-encoding`);
    else if (!pattern.test(value)) problems.push(`URL parameter ${name} must match ${pattern.source}`);
    else if (value.length > MAX_ID_LENGTH)
      problems.push(`URL parameter ${name} must be at most ${MAX_ID_LENGTH} characters long`);
    else params[name] = value;
  }
  throwIfAny(problems);
  return params;
}

/**
 * The query parameters except `bewit`. Throws InvalidRequestArguments that names every unknown, repeated or invalid
 * one.
 */
export function readQuery(endpoint: Endpoint, search: string): Record<string, string> {
  const query: Record<string, string> = {};
  if (search === '') return query;
  const known = queryOf(endpoint);
  const problems: string[] = [];
  for (const [name, value] of new URLSearchParams(search)) {
    if (name === 'bewit') continue;
    const shown = JSON.stringify(name.slice(0, 64));
    if (!known.includes(name))
      problems.push(`query parameter ${shown} is not known here; known: ${known.join(', ') || 'none'}`);
    else if (name in query) problems.push(`query parameter ${shown} is given twice`);
    else if (!queryPattern(endpoint, name).test(value))
      problems.push(`query parameter ${shown} must match ${queryPattern(endpoint, name).source}`);
    else query[name] = value;
  }
  throwIfAny(problems);
  return query;
}

function throwIfAny(problems: string[]): void {
  if (problems.length > 0)
    throw new ApiError('InvalidRequestArguments', problems.slice(0, 10).join('\n'), { problems });
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
