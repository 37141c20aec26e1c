import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { NewEvent } from '../../src/event.ts';
import { minutesFromNow, startService, type OfficialClient, type TestService } from '../startService.ts';

type Entry = { actionType: string; entityId: string; created: string };
const CHANGES = 250;

let service: TestService;
let auth: OfficialClient;
beforeAll(async () => {
  service = await startService();
  auth = service.current();
  const settings = { description: '', expires: minutesFromNow(60), scopes: [] };
  await auth['createClient']!('much/changed', settings);
  await auth['createRole']!('much-changed', { description: '', scopes: [] });
  for (let i = 0; i < CHANGES / 2; i += 1) {
    await auth['updateClient']!('much/changed', { ...settings, description: `${i}` });
    await auth['updateRole']!('much-changed', { description: `${i}`, scopes: [] });
  }
});
afterAll(() => service.remove());

async function pages(limit: number, page: (query: object) => Promise<unknown>): Promise<Entry[][]> {
  const all: Entry[][] = [];
  let continuationToken: string | undefined;
  do {
    const reply = (await page({ limit, ...(continuationToken && { continuationToken }) })) as {
      auditHistory: Entry[];
      continuationToken?: string;
    };
    all.push(reply.auditHistory);
    continuationToken = reply.continuationToken;
  } while (continuationToken);
  return all;
}

describe('a history', () => {
  const histories = {
    'of a client': (query: object) => auth['getEntityHistory']!('client', 'much/changed', query),
    'of a role': (query: object) => auth['getEntityHistory']!('role', 'much-changed', query),
    'of who made the changes': (query: object) => auth['listAuditHistory']!(service.root.clientId, query),
  };
  test.each(Object.entries(histories))('%s is the same in pages of any size', async (_, history) => {
    const whole = (await pages(1000, history)).flat();
    expect(whole.length).toBeGreaterThan(CHANGES / 2);
    expect(whole.map(({ created }) => created)).toEqual(whole.map(({ created }) => created).sort());
    for (const limit of [1, 7, 100, whole.length]) {
      const some = await pages(limit, history);
      expect(some.flat()).toEqual(whole);
      // The last page of a role's history may be empty: whether there is more is only known then.
      expect(some.slice(0, -1).every((page) => page.length === limit)).toBe(true);
    }
  });

  test('of who made changes has whole pages, however many credentials came between them', async () => {
    const { eventStore } = service.service.core;
    const by = { actor: 'much/credentialed', at: new Date().toJSON(), requestId: 'a request' };
    const data = { service: 's', target: 't', expires: minutesFromNow(60) };
    const credentials = (): NewEvent => ({ id: randomUUID(), type: 'CredentialsIssued', data });
    for (const description of ['1', '2', '3']) {
      const updated = { type: 'RoleUpdated', data: { roleId: 'much-changed', description, scopes: [] } };
      for (const [stream, events] of [
        ['credentials-s', Array.from({ length: 150 }, credentials)],
        ['roles', [{ id: randomUUID(), ...updated }]],
      ] as const)
        await eventStore.append([{ stream, expectedRevision: 'any', events: [...events] }], by);
    }
    const found = await pages(2, (query) => auth['listAuditHistory']!(by.actor, query));
    expect(found.map((page) => page.map(({ actionType }) => actionType))).toEqual([
      ['updated', 'updated'],
      ['updated'],
    ]);
  });

  test('of changes that are large is in shorter pages, as is a list of such clients', async () => {
    const scopes = Array.from({ length: 40 }, (_, i) => `${i}:${'x'.repeat(10_000)}`);
    const settings = { description: '', expires: minutesFromNow(60), scopes };
    const ids = ['a', 'b', 'c', 'd'].map((letter) => `large/${letter}`);
    for (const id of ids) await auth['createClient']!(id, settings);
    for (const description of ['1', '2', '3', '4', '5'])
      await auth['updateClient']!('large/a', { ...settings, description });
    const history = await pages(1000, (query) => auth['getEntityHistory']!('client', 'large/a', query));
    expect(history.length).toBeGreaterThan(2);
    expect(history.flat().map(({ actionType }) => actionType)).toEqual([
      'created',
      ...Array(5).fill('updated'),
    ]);
    const found: string[] = [];
    let count = 0;
    for (let continuationToken: string | undefined, more = true; more; count += 1) {
      const query = { prefix: 'large/', ...(continuationToken && { continuationToken }) };
      const page = await auth['listClients']!(query);
      found.push(...page.clients.map(({ clientId }: { clientId: string }) => clientId));
      continuationToken = page.continuationToken;
      more = continuationToken !== undefined;
    }
    expect(found).toEqual(ids);
    expect(count).toBeGreaterThan(1);
  });

  test('goes on after its page, however much came meanwhile', async () => {
    const first = await auth['listAuditHistory']!(service.root.clientId, { limit: CHANGES });
    await auth['createRole']!('later', { description: '', scopes: [] });
    const { auditHistory } = await auth['listAuditHistory']!(service.root.clientId, {
      continuationToken: first.continuationToken,
    });
    expect(auditHistory.at(-1)).toMatchObject({ entityId: 'later', actionType: 'created' });
    expect(auditHistory).not.toContainEqual(first.auditHistory.at(-1));
  });

  test.each(['secret', 'hook', 'worker-pool'])(
    'of a %s is empty, also where a role or a client has its name',
    async (type) => {
      const settings = {
        description: '',
        expires: minutesFromNow(60),
        scopes: [`auth:audit-history:${type}`],
      };
      const { accessToken } = await auth['createClient']!(`auditor/${type}`, settings);
      const auditor = service.current({ clientId: `auditor/${type}`, accessToken });
      for (const id of ['much-changed', 'much/changed', 'nothing'])
        expect(await auditor['getEntityHistory']!(type, id, { limit: 5 })).toEqual({ auditHistory: [] });
      await expect(auditor['getEntityHistory']!('role', 'much-changed')).rejects.toMatchObject({
        body: { code: 'InsufficientScopes' },
      });
    },
  );

  test('refuses a continuation token of another kind', async () => {
    const continuationToken = Buffer.from('no place').toString('base64url');
    for (const history of [histories['of a client'], histories['of who made the changes']])
      await expect(history({ continuationToken })).rejects.toMatchObject({
        statusCode: 400,
        body: { code: 'InvalidRequestArguments' },
      });
  });
});
