import { v7 as uuid } from 'uuid';
import { openStores } from '../src/compose.ts';
import type { Event } from '../src/event.ts';
import { clientStream, ROLES_STREAM } from '../src/eventStore/streams.ts';
import { type Signer, signedCall } from './calls.ts';
import type { Call } from './load.ts';

const MANY = 15_000;
const HISTORY = 300;
const EXPIRES = '2099-01-01T00:00:00.000Z';

function unsignedExpansion(scopes: string[]): () => Call {
  const call = { method: 'POST', path: '/v1/scopes/expand', body: JSON.stringify({ scopes }) };
  return () => call;
}

/** Hostile inputs, by what they do: for a port and who signs, one call after the other. */
export const ATTACKS = {
  'expanding 512 KiB of scopes': () => {
    const scopes = Array.from({ length: 18_000 }, (_, i) => `assume:project-admin:${i}`);
    return unsignedExpansion(scopes);
  },
  'expanding a role bomb': () => unsignedExpansion(['assume:proj-x/aq']),
  'creating a role that reaches 500 others': (port: number, signer: Signer) => {
    const scopes = Array.from({ length: MANY }, (_, i) => `assume:p/z<..>${i}`);
    const body = { description: '', scopes };
    return () => signedCall(signer, port, { method: 'PUT', route: '/roles/attack*', body });
  },
  'reading a history of large events': (port: number, signer: Signer) => () =>
    signedCall(signer, port, { method: 'GET', route: '/audit/client/attack%2Fhistory' }),
} satisfies Record<string, (port: number, signer: Signer) => () => Call>;

export type Attack = keyof typeof ATTACKS;

/** What attacks need to be in the log: a role bomb as older releases took it, 500 roles, a client of many large changes. */
export async function prepareAttacks(dataDir: string): Promise<void> {
  const stores = await openStores({ dataDir, secretKeys: undefined });
  const metadata = { actor: 'static/authledger/import', at: '2026-01-01T00:00:00.000Z', requestId: 'bench' };
  const append = (stream: string, event: Event): Promise<unknown> =>
    stores.eventStore.append(
      [{ stream, expectedRevision: 'any', events: [{ ...event, id: uuid() }] }],
      metadata,
    );
  const role = (roleId: string, scopes: string[]): Promise<unknown> =>
    append(ROLES_STREAM, { type: 'RoleCreated', data: { roleId, description: '', scopes } });
  const numbered = (count: number, text: (i: number) => string): string[] =>
    Array.from({ length: count }, (_, i) => text(i)).sort();
  await role(
    'proj-x/b*',
    numbered(16_500, (i) => `x/${i}<..>`),
  );
  await role(
    'proj-x/a*',
    numbered(999, (i) => `assume:proj-x/b<..>${i}`),
  );
  for (let i = 0; i < 500; i += 1) await role(`p/z${i}*`, [`p/${i}/<..>`]);
  const settings = { clientId: 'attack/history', expires: EXPIRES, deleteOnExpiration: false };
  for (let i = 0; i < HISTORY; i += 1) {
    const data = {
      ...settings,
      description: `${i}`,
      scopes: numbered(10_000, (at) => `${'x'.repeat(30)}${at}/${i}`),
    };
    await append(clientStream(settings.clientId), {
      ...(i === 0
        ? {
            type: 'ClientCreated',
            data: { ...data, credential: { id: uuid(), fingerprint: '0'.repeat(16) } },
          }
        : { type: 'ClientUpdated', data }),
    });
  }
  await stores.close();
}
