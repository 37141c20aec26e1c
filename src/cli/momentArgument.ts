import { POSITION_PATTERN } from '../../schemas/constants.ts';
import { invalid } from '../config/configError.ts';
import { DATE_TIME, isDateTime } from '../http/isDateTime.ts';

const POSITION = new RegExp(POSITION_PATTERN);

/** Reads a position or a time from an argument or an option of this name. Throws ConfigError. */
export function momentArgument(name: string, text: string): string {
  if (POSITION.test(text) || isDateTime(text)) return text;
  return invalid(`${name} must be a position of the log, as answers name it, or ${DATE_TIME}`);
}

/** Reads a position from an option of this name. Throws ConfigError. */
export function positionArgument(name: string, text: string): string {
  return POSITION.test(text) ? text : invalid(`${name} must be a position of this log, as answers name it`);
}
