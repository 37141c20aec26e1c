import type { Config } from '../config.ts';
import type { StaticClient } from '../jsonSettings.ts';
import { ROOT_CLIENT_ID, rootCredentialsFile } from '../rootCredentials.ts';

/** What a start tells a person: where the service is, whose credentials there are, and a first call that can be pasted. */
export function welcome(
  rootUrl: string,
  { dataDir, staticClients }: Pick<Config, 'dataDir' | 'staticClients'>,
  madeRoot: StaticClient | undefined,
): string {
  const file = rootCredentialsFile(dataDir);
  const { who, clientId, accessToken } = madeRoot
    ? {
        who: `A client with all scopes was made for you. Its token is shown this once, and kept in\n${file}:`,
        ...madeRoot,
      }
    : staticClients
      ? {
          who: 'Sign as one of your clients; those of STATIC_CLIENTS are there from the start:',
          clientId: 'its-client-id',
          accessToken: 'its-access-token',
        }
      : {
          who: `Sign as ${ROOT_CLIENT_ID}, whose token is in ${file}, unless you moved it:`,
          clientId: ROOT_CLIENT_ID,
          accessToken: `$(node -p "JSON.parse(fs.readFileSync('${file}')).accessToken")`,
        };
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
