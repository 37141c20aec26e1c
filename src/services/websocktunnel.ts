import { date, object, text } from '../../schemas/v1/schemaBuilders.ts';
import type { GuardedService } from './guardedService.ts';
import { hs256Secret } from '../config/hs256Secret.ts';
import { tunnelToken } from './tunnelToken.ts';

const WST_AUDIENCE = /^[a-zA-Z0-9_-]{1,38}$/;
const WST_CLIENT = /^[a-zA-Z0-9_~.%-]+$/;

/** Tokens for a client of a websocktunnel. */
export const websocktunnel: GuardedService<{ secret: string }, { secret: string }> = {
  name: 'websocktunnel',
  variable: 'WEBSOCKTUNNEL',
  needs: '{secret}: what its tokens are signed with',
  settingSchema: object({ secret: hs256Secret }),
  schemas: {
    'websocktunnel-token-response': {
      title: 'A token for a websocktunnel',
      ...object({
        wstClient: { ...text, pattern: WST_CLIENT.source },
        wstAudience: { ...text, pattern: WST_AUDIENCE.source },
        token: text,
        expires: date,
      }),
    },
  },
  open: (setting) => setting,
  endpoints: [
    {
      name: 'websocktunnelToken',
      dialects: ['current'],
      method: 'get',
      route: '/websocktunnel/<wstAudience>/<wstClient>',
      patterns: { wstAudience: WST_AUDIENCE, wstClient: WST_CLIENT },
      title: 'Get a client token for the Websocktunnel service',
      description: 'A token with which one client of one websocktunnel can connect for four days.',
      category: 'Websocktunnel Credentials',
      stability: 'stable',
      scopes: 'auth:websocktunnel-token:<wstAudience>/<wstClient>',
      output: 'websocktunnel-token-response',
      async issue({ secret }, request) {
        const { wstAudience, wstClient } = request.params as { wstAudience: string; wstClient: string };
        const signing = { tid: wstClient, aud: wstAudience, secret };
        const { token, expires } = await tunnelToken(signing, request);
        const body = { wstClient, wstAudience, token, expires: expires.toJSON() };
        return { body, target: `${wstAudience}/${wstClient}`, expires };
      },
    },
  ],
};
