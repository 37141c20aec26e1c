import { date, object, text } from '../../schemas/v1/schemaBuilders.ts';
import { expiryFor } from './credentialLifetime.ts';
import type { GuardedService } from './guardedService.ts';
import { hs256Secret } from '../config/hs256Secret.ts';
import { jwtTime, signJwt } from './signJwt.ts';

const HOUR = 60 * 60_000;

/** Tokens for a project at the metrics server statsum. A token lasts an hour longer than the reply says. */
export const statsum: GuardedService<
  { secret: string; baseUrl: string },
  { secret: string; baseUrl: string }
> = {
  name: 'statsum',
  variable: 'STATSUM',
  needs: '{secret, baseUrl}: what its tokens are signed with, and its address',
  settingSchema: object({
    secret: hs256Secret,
    baseUrl: { ...text, format: 'uri' },
  }),
  schemas: {
    'older-statsum-token-response': {
      title: 'A token for statsum',
      ...object({ project: text, token: text, expires: date, baseUrl: { ...text, format: 'uri' } }),
    },
  },
  open: (setting) => setting,
  endpoints: [
    {
      name: 'statsumToken',
      dialects: ['older'],
      alsoServedIn: ['current'],
      method: 'get',
      route: '/statsum/<project>/token',
      patterns: { project: /^[a-zA-Z0-9_-]{1,64}$/ },
      title: 'Get Token for Statsum Project',
      description: 'A token with which metrics of one project can be sent to statsum for a day.',
      category: 'Statsum Credentials',
      stability: 'stable',
      scopes: 'auth:statsum:<project>',
      output: 'older-statsum-token-response',
      async issue({ secret, baseUrl }, request) {
        const project = request.params['project']!;
        const end = expiryFor(request, 25 * HOUR);
        const token = await signJwt({ project, exp: jwtTime(end) }, secret);
        const expires = expiryFor(request, 24 * HOUR).toJSON();
        return { body: { project, token, baseUrl, expires }, target: project, expires: end };
      },
    },
  ],
};
