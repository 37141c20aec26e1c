/**
 * Turns colours off in the environment if NO_COLOR is set and not empty (https://no-color.org), unless FORCE_COLOR says
 * otherwise. Call it before what prints colours is loaded, which reads FORCE_COLOR only.
 */
export function honourNoColor(env: NodeJS.ProcessEnv = process.env): void {
  if (env['NO_COLOR'] && env['FORCE_COLOR'] === undefined) env['FORCE_COLOR'] = '0';
}
