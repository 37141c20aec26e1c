declare module 'taskcluster-client' {
  import type { Credentials, OfficialClient } from './startService.ts';
  const taskcluster: {
    Auth: new (options: object) => OfficialClient;
    createTemporaryCredentials(options: object): Credentials;
    createClient(reference: object): new (options: object) => OfficialClient;
  };
  export default taskcluster;
}

declare module 'taskcluster-client/src/apis.js' {
  /** The published references, by the name of their client. */
  const apis: Record<string, { reference: object }>;
  export default apis;
}
