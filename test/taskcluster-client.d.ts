declare module 'taskcluster-client' {
  import type { Credentials, OfficialClient } from './startService.ts';
  const taskcluster: {
    Auth: new (options: object) => OfficialClient;
    createTemporaryCredentials(options: object): Credentials;
  };
  export default taskcluster;
}
