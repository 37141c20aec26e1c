import { object, text } from '../../schemas/v1/schemaBuilders.ts';
import { randomToken } from '../secretStore/newSecret.ts';
import type { GuardedService } from './guardedService.ts';
import { hs256Secret } from '../config/hs256Secret.ts';
import { tunnelToken } from './tunnelToken.ts';

type Setting = { secret: string; proxyUrl: string };

/** Tokens for a new tunnel at the older webhook proxy. */
export const webhooktunnel: GuardedService<Setting, Setting> = {
  name: 'webhooktunnel',
  variable: 'WEBHOOKTUNNEL',
  needs: "{secret, proxyUrl}: what its tokens are signed with, and the proxy's address",
  settingSchema: object({
    secret: hs256Secret,
    proxyUrl: { ...text, format: 'uri' },
  }),
  schemas: {
    'older-webhooktunnel-token-response': {
      title: 'A token for a tunnel',
      ...object({ tunnelId: text, token: text, proxyUrl: text }),
    },
  },
  open: (setting) => setting,
  endpoints: [
    {
      name: 'webhooktunnelToken',
      dialects: ['older'],
      alsoServedIn: ['current'],
      method: 'get',
      route: '/webhooktunnel',
      title: 'Get Token for Webhooktunnel Proxy',
      description: 'A token with which a tunnel of a new name can be opened for four days.',
      category: 'Webhooktunnel Credentials',
      stability: 'stable',
      scopes: 'auth:webhooktunnel',
      output: 'older-webhooktunnel-token-response',
      async issue({ secret, proxyUrl }, request) {
        const tunnelId = randomToken().toLowerCase();
        const signing = { tid: tunnelId, aud: 'webhooktunnel', secret };
        const { token, expires } = await tunnelToken(signing, request);
        return { body: { tunnelId, token, proxyUrl }, target: tunnelId, expires };
      },
    },
  ],
};
