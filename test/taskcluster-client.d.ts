declare module 'taskcluster-client' {
  import type { OfficialClient } from './startService.ts';
  export const Auth: new (options: object) => OfficialClient;
  export function createTemporaryCredentials(options: object): { clientId: string; accessToken: string; certificate: string };
}
