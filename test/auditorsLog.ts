import { v5 as uuidFrom } from 'uuid';
import { clientStream, ROLES_STREAM } from '../src/eventStore/streams.ts';
import { inStores } from './inStores.ts';

type Change = { at: string; actor: string; type: string; data: Record<string, unknown>; reason?: string };

const client = (clientId: string, description: string, scopes: string[]) => ({
  clientId,
  description,
  expires: '2099-01-01T00:00:00.000Z',
  deleteOnExpiration: false,
  scopes,
  credential: { id: uuidFrom(clientId, uuidFrom.URL), fingerprint: '0123456789abcdef' },
});
const ada = 'people/ada';
const bob = 'people/bob';

/** Some weeks of a small company: what the page on auditing asks about. */
const CHANGES: readonly Change[] = [
  {
    at: '2026-11-02T09:00:00.000Z',
    actor: ada,
    type: 'RoleCreated',
    data: {
      roleId: 'project-admin:*',
      description: 'Administrators of the project <..>',
      scopes: ['secrets:get:project/<..>/*', 'assume:team:developers'],
    },
  },
  {
    at: '2026-11-02T09:02:00.000Z',
    actor: ada,
    type: 'RoleCreated',
    data: {
      roleId: 'team:developers',
      description: 'All developers',
      scopes: ['queue:create-task:low', 'assume:team:readers'],
    },
  },
  {
    at: '2026-11-02T09:05:00.000Z',
    actor: ada,
    type: 'RoleCreated',
    data: { roleId: 'team:readers', description: 'All of the company', scopes: ['queue:list-task:*'] },
  },
  {
    at: '2026-11-02T09:30:00.000Z',
    actor: ada,
    type: 'ClientCreated',
    data: client(bob, 'Bob', ['auth:update-role:team:*', 'queue:*']),
  },
  {
    at: '2026-11-09T14:00:00.000Z',
    actor: ada,
    type: 'ClientCreated',
    data: client('ci/linux', 'Builds for Linux', ['assume:project-admin:rocket']),
  },
  {
    at: '2026-11-16T08:20:00.000Z',
    actor: ada,
    type: 'ClientCreated',
    data: client('ci/nightly', 'Nightly reports', ['assume:team:readers']),
  },
  {
    at: '2026-11-25T16:40:00.000Z',
    actor: bob,
    type: 'RoleUpdated',
    data: {
      roleId: 'team:readers',
      description: 'All of the company',
      scopes: ['queue:list-task:*', 'queue:get-artifact:private/*'],
    },
  },
  { at: '2026-11-26T07:15:00.000Z', actor: ada, type: 'ClientDisabled', data: { clientId: 'ci/nightly' } },
];

/** The id of the request that made a change, counted from 1. */
function requestId(count: number): string {
  return uuidFrom(`https://example.com/requests/${count}`, uuidFrom.URL);
}

/** Writes the log that the page on auditing asks about, into the stores that some settings name. */
export function writeAuditorsLog(env: Record<string, string>): Promise<void> {
  return inStores(env, async ({ eventStore }) => {
    const revisions = new Map<string, number>();
    for (const [i, { at, actor, type, data, reason }] of CHANGES.entries()) {
      const stream = 'roleId' in data ? ROLES_STREAM : clientStream(data['clientId'] as string);
      const revision = revisions.get(stream);
      const id = uuidFrom(`https://example.com/events/${i + 1}`, uuidFrom.URL);
      await eventStore.append(
        [{ stream, expectedRevision: revision ?? 'none', events: [{ type, data, id }] }],
        {
          actor,
          at,
          requestId: requestId(i + 1),
          ...(reason !== undefined && { reason }),
        },
      );
      revisions.set(stream, revision === undefined ? 0 : revision + 1);
    }
  });
}
