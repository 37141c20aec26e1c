import { invalid } from './configError.ts';

/** Credentials as official Taskcluster clients read them from the environment. */
export type CallerCredentials = { clientId: string; accessToken: string; certificate?: string };

/**
 * The credentials in TASKCLUSTER_CLIENT_ID, TASKCLUSTER_ACCESS_TOKEN and TASKCLUSTER_CERTIFICATE; undefined if none are
 * set. Throws ConfigError for half of them.
 */
export function readCallerCredentials(env: NodeJS.ProcessEnv = process.env): CallerCredentials | undefined {
  const {
    TASKCLUSTER_CLIENT_ID: clientId,
    TASKCLUSTER_ACCESS_TOKEN: accessToken,
    TASKCLUSTER_CERTIFICATE: certificate,
  } = env;
  if (!clientId && !accessToken) return undefined;
  if (!clientId || !accessToken)
    invalid('TASKCLUSTER_CLIENT_ID and TASKCLUSTER_ACCESS_TOKEN go together: set both, or neither');
  if (certificate && !isJson(certificate))
    invalid('TASKCLUSTER_CERTIFICATE must be the JSON of a certificate');
  return { clientId: clientId!, accessToken: accessToken!, ...(certificate && { certificate }) };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
