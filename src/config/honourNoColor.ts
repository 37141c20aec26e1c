/**
 * Turns colours off in the environment if NO_COLOR is set and not empty (https://no-color.org), unless FORCE_COLOR says
 * otherwise. Call it before what prints colours is loaded, which reads FORCE_COLOR only.
 */
export function honourNoColor(env: NodeJS.ProcessEnv = process.env): void {
  const { NO_COLOR: noColor, FORCE_COLOR: forced } = env;
  if (noColor && forced === undefined) Object.assign(env, { FORCE_COLOR: '0' });
}
