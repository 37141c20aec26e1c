import { CLIENT_ID_PATTERN, MAX_ID_LENGTH, ROLE_ID_PATTERN } from '../../schemas/constants.ts';
import { invalid } from '../config/configError.ts';

const IDS = {
  client: { pattern: new RegExp(CLIENT_ID_PATTERN), characters: 'letters, digits and !@/:.+|_-' },
  role: { pattern: new RegExp(ROLE_ID_PATTERN), characters: 'printable ASCII' },
} as const;

/** Reads a clientId or roleId from an argument or an option of this name. Throws ConfigError. */
export function idArgument(kind: 'client' | 'role', name: string, text: string): string {
  const { pattern, characters } = IDS[kind];
  if (pattern.test(text) && text.length <= MAX_ID_LENGTH) return text;
  return invalid(`${name} must be a ${kind}Id: 1 to ${MAX_ID_LENGTH} characters of ${characters}`);
}
