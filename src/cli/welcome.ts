import type { Config } from '../config/config.ts';
import { ROOT_CLIENT_ID, rootCredentialsFile } from '../staticClients/rootCredentials.ts';
import type { Administrator } from '../staticClients/staticClients.ts';

/**
 * The message of a start: the address of the service, which credentials to use, and a first call to paste. It contains
 * a token only if `showsToken` is set and this start created it.
 */
export function welcome(
  rootUrl: string,
  { dataDir, staticClients }: Pick<Config, 'dataDir' | 'staticClients'>,
  administrator: Administrator & { showsToken: boolean },
): string {
  const { who, clientId, accessToken } = staticClients
    ? {
        who: 'Sign as one of your clients; those of STATIC_CLIENTS are there from the start:',
        ...PLACEHOLDER_CLIENT,
      }
    : administrator.isRootRetired
      ? { who: `Sign as one of your clients; ${ROOT_CLIENT_ID} was retired:`, ...PLACEHOLDER_CLIENT }
      : rootInstructions(rootCredentialsFile(dataDir), administrator);
  return `authledger serves at ${rootUrl}

${who}

  export TASKCLUSTER_ROOT_URL=${rootUrl}
  export TASKCLUSTER_CLIENT_ID=${clientId}
  export TASKCLUSTER_ACCESS_TOKEN=${accessToken}

A first call:
  curl ${rootUrl}/api/auth/v1/ping
With these three in the environment, and a Taskcluster client (npm install taskcluster-client):
  node --input-type=module -e "import taskcluster from 'taskcluster-client';
    console.log(await new taskcluster.Auth(taskcluster.fromEnvVars()).listClients())"
All methods: ${rootUrl}/openapi.json

`;
}

const PLACEHOLDER_CLIENT = { clientId: 'its-client-id', accessToken: 'its-access-token' };

function rootInstructions(file: string, { madeRoot, showsToken }: Administrator & { showsToken: boolean }) {
  if (madeRoot && showsToken)
    return {
      who: `A client with all scopes was made for you. Its token is shown this once, and kept in\n${file}:`,
      ...madeRoot,
    };
  const who = madeRoot
    ? `A client with all scopes was made for you. Its token is kept in\n${file}:`
    : `Sign as ${ROOT_CLIENT_ID}, whose token is in ${file}, unless you moved it:`;
  return { who, clientId: ROOT_CLIENT_ID, accessToken: tokenExpression(file) };
}

/** A shell expression that reads the token from its file. */
export function tokenExpression(file: string): string {
  return `$(node -p "JSON.parse(fs.readFileSync('${file}')).accessToken")`;
}
