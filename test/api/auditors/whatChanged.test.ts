import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { signedFetch } from '../../signed.ts';
import {
  type Credentials,
  minutesFromNow,
  ROOT,
  startService,
  type TestService,
} from '../../startService.ts';

type Subject = { clientId?: string; roleId?: string };
type Change = {
  subject: Subject;
  gained: string[];
  lost: string[];
  gainedCount: number;
  lostCount: number;
  causes: { position: string; type: string; subject: Subject; actor: string }[];
  expired?: string;
  complete: boolean;
};
type Page = {
  from: { position: string; at?: string; time: string };
  to: { position: string; at?: string; time: string };
  changes: Change[];
  complete: boolean;
  continuationToken?: string;
};

let service: TestService;
/** Positions of the log, by what had happened by then. */
const positions = { created: '', changed: '', end: '' };
const auditor: Credentials = { clientId: 'auditor', accessToken: '' };

function ask(body: object, credentials: Credentials = ROOT) {
  return signedFetch(`${service.rootUrl}/api/authledger/v1/what-changed`, credentials, {
    method: 'POST',
    body,
  });
}

async function page(body: object): Promise<Page> {
  const reply = await ask(body);
  expect(reply).toMatchObject({ status: 200 });
  return reply.body as unknown as Page;
}

const idOf = ({ subject: { clientId, roleId } }: { subject: Subject }): string =>
  clientId ?? `role ${roleId}`;

beforeAll(async () => {
  service = await startService();
  const auth = service.current();
  const head = () => service.service.core.eventStore.head();
  const settings = { description: '', expires: minutesFromNow(60) };
  await auth['createRole']!('readers', { description: '', scopes: ['list'] });
  await auth['createRole']!('developers', { description: '', scopes: ['assume:readers', 'build'] });
  const scopes = ['authledger:what-changed'];
  auditor.accessToken = (await auth['createClient']!('auditor', { ...settings, scopes }))
    .accessToken as string;
  for (const clientId of ['c/1', 'c/2', 'c/3'])
    await auth['createClient']!(clientId, { ...settings, scopes: ['assume:developers'] });
  await auth['createClient']!('d', { ...settings, scopes: ['list', 'read:*'] });
  positions.created = await head();
  await auth['updateRole']!('readers', { description: '', scopes: ['list', 'read:a'] });
  await auth['updateClient']!('d', { ...settings, scopes: ['list', 'read:a'] });
  await auth['disableClient']!('c/3');
  positions.changed = await head();
  await auth['deleteRole']!('readers');
  positions.end = await head();
});
afterAll(() => service.remove());

describe('whatChanged', () => {
  test('names clients, then roles, with the scopes that they gained and lost, and the events that caused it', async () => {
    const { created: from, changed: to } = positions;
    const { changes, complete, ...moments } = await page({ from, to });
    expect(moments).toMatchObject({ from: { position: from }, to: { position: to } });
    expect(complete).toBe(true);
    expect(changes.map(idOf)).toEqual(['c/1', 'c/2', 'c/3', 'd', 'role developers', 'role readers']);
    const [one, , three, d] = changes;
    expect(one).toMatchObject({ gained: ['read:a'], lost: [], gainedCount: 1, lostCount: 0, complete: true });
    expect(one!.causes).toMatchObject([
      { type: 'RoleUpdated', subject: { roleId: 'readers' }, actor: ROOT.clientId },
    ]);
    expect(three!.lost).toContain('build');
    expect(three!.causes).toMatchObject([{ type: 'ClientDisabled', subject: { clientId: 'c/3' } }]);
    // What a wider scope covers is no change.
    expect(d).toMatchObject({ gained: [], lost: ['read:*'] });
  });

  test('compares with the present by default, and moments may be times', async () => {
    const { created: from } = positions;
    expect((await page({ from })).to.position).toBe(positions.end);
    const { changes, from: first } = await page({ from: '2020-01-01T00:00:00Z' });
    expect(first).toEqual({
      position: service.service.core.eventStore.start,
      time: '2020-01-01T00:00:00.000Z',
    });
    expect(changes.map(idOf)).toContain(ROOT.clientId);
    expect((await page({ from: positions.end })).changes).toEqual([]);
  });

  test('says at which times it was judged who had expired, beside those of the events', async () => {
    const later = new Date().toJSON();
    const { from, to } = await page({ from: positions.created, to: later });
    expect(from.time).toBe(from.at);
    expect(to).toMatchObject({ position: positions.end, time: later });
    expect(to.at! < later).toBe(true);
    expect((await page({ from: later })).to.time >= later).toBe(true);
  });

  test('answers for some clients and roles, and for some scopes, only', async () => {
    const { created: from } = positions;
    const subjects = [{ roleId: 'developers' }, { clientId: 'c/2' }];
    expect((await page({ from, subjects })).changes.map(idOf)).toEqual(['c/2', 'role developers']);
    const ofRead = await page({
      from,
      to: positions.changed,
      scopes: ['read:a'],
      subjects: [{ clientId: 'd' }],
    });
    expect(ofRead.changes).toMatchObject([{ lost: ['read:*'] }]);
    expect((await page({ from, scopes: ['nothing:such'] })).changes).toEqual([]);
  });

  test('does not know a client or role that there never was up to the later moment', async () => {
    const { created: from, changed, end } = positions;
    const unknown = [{ clientId: 'developers' }, { roleId: 'c/1' }];
    expect(await ask({ from, to: changed, subjects: [{ clientId: 'd' }, ...unknown] })).toMatchObject({
      status: 404,
      body: {
        code: 'ResourceNotFound',
        message: expect.stringContaining(
          `up to ${changed}, there never was: client \`developers\`, role \`c/1\`\n`,
        ),
        details: { subjects: unknown, position: changed },
      },
    });
    // One that was deleted is known, and one that came later is not.
    await service.current()['createRole']!('came/later', { description: '', scopes: ['x'] });
    const deleted = { roleId: 'readers' };
    const later = { roleId: 'came/later' };
    expect((await page({ from: end, subjects: [deleted, later] })).changes.map(idOf)).toEqual([
      'role came/later',
    ]);
    expect((await ask({ from, to: end, subjects: [deleted, later] })).body).toMatchObject({
      details: { subjects: [later] },
    });
    expect((await page({ from: end, subjects: [{ clientId: ROOT.clientId }] })).changes).toEqual([]);
    await service.current()['deleteRole']!('came/later');
    positions.end = await service.service.core.eventStore.head();
  });

  test('pages keep to the moments of the first one while changes go on', async () => {
    const { created: from } = positions;
    const all = (await page({ from })).changes;
    const found: Change[] = [];
    let continuationToken: string | undefined;
    do {
      const next: Page = await page({ from, limit: 2, ...(continuationToken && { continuationToken }) });
      expect(next.to.position).toBe(positions.end);
      expect(next.complete).toBe(next.continuationToken === undefined);
      found.push(...next.changes);
      ({ continuationToken } = next);
      await service.current()['createRole']!(`later-${found.length}`, { description: '', scopes: [] });
    } while (continuationToken !== undefined);
    expect(found).toEqual(all);
  });

  test('refuses moments in the wrong order, and tokens of another question or of nobody', async () => {
    const { created, changed } = positions;
    const refused = { status: 400, body: { code: 'InvalidRequestArguments' } };
    expect(await ask({ from: changed, to: created })).toMatchObject(refused);
    expect(await ask({ from: 'then' })).toMatchObject(refused);
    expect(await ask({ from: '2999-01-01T00:00:00Z' })).toMatchObject(refused);
    const { continuationToken } = await page({ from: created, limit: 1 });
    expect(await ask({ from: changed, continuationToken })).toMatchObject(refused);
    for (const forged of [{}, [], { asked: 'x' }, { asked: 'x', from: ['', 1], to: ['', 1], after: {} }]) {
      const token = Buffer.from(JSON.stringify(forged)).toString('base64url');
      expect(await ask({ from: created, continuationToken: token })).toMatchObject(refused);
    }
    expect(await ask({ to: created })).toMatchObject({ status: 400, body: { code: 'InputValidationError' } });
  });

  test('refuses tokens with times that are none or to come, and those that are written in another way', async () => {
    const { created: from } = positions;
    const { continuationToken } = await page({ from, limit: 1 });
    const made = JSON.parse(Buffer.from(continuationToken!, 'base64url').toString()) as {
      asked: string;
      cursor: Record<'from' | 'to', [string, number]>;
    };
    const forge = (time: number, which: 'from' | 'to') =>
      encoded({ ...made, cursor: { ...made.cursor, [which]: [made.cursor[which][0], time] } });
    const encoded = (content: object) => Buffer.from(JSON.stringify(content)).toString('base64url');
    const forged = [
      encoded({ asked: made.asked }),
      Buffer.from('null').toString('base64url'),
      ...[Date.parse('2999-01-01'), 2 ** 53 - 1, -(2 ** 53) + 1].flatMap((time) => [
        forge(time, 'from'),
        forge(time, 'to'),
      ]),
      `${continuationToken!}=`,
      `${continuationToken!.slice(0, 4)}!${continuationToken!.slice(4)}`,
    ];
    for (const token of forged)
      expect(await ask({ from, limit: 1, continuationToken: token })).toMatchObject({
        status: 400,
        body: { message: expect.stringContaining('continuationToken must be one that') },
      });
    expect(await ask({ from, limit: 1, continuationToken })).toMatchObject({ status: 200 });
  });

  test('names a client or role that is asked about twice once, and takes no ids that are too long', async () => {
    const { created: from } = positions;
    const subjects = [{ clientId: 'd' }, { roleId: 'readers' }, { clientId: 'd' }];
    expect((await page({ from, subjects })).changes.map(idOf)).toEqual(['d', 'role readers']);
    const refused = { status: 400, body: { code: 'InputValidationError' } };
    for (const name of ['clientId', 'roleId']) {
      expect(await ask({ from, subjects: [{ [name]: 'x'.repeat(1000) }] })).toMatchObject({ status: 404 });
      expect(await ask({ from, subjects: [{ [name]: 'x'.repeat(1001) }] })).toMatchObject(refused);
    }
    expect(await ask({ from, scopes: ['x', 'x'] })).toMatchObject(refused);
  });

  test('needs its scope, whatever READ_ACCESS says', async () => {
    const { created: from } = positions;
    expect(await ask({ from }, auditor)).toMatchObject({ status: 200 });
    const response = await fetch(`${service.rootUrl}/api/authledger/v1/what-changed`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ from }),
    });
    expect(response.status).toBe(403);
  });
});
