import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { type Entries, readEntries } from '../../src/transfer/importEntries.ts';
import { sharedFile, testWithShared } from '../sharedData.ts';

const now = new Date('2026-01-01T00:00:00.000Z');
const role = { roleId: 'r', description: 'd', scopes: ['a'] };
const client = { clientId: 'c', description: 'd', scopes: ['a'], expires: '2030-01-01T00:00:00.000Z' };

const readBytes = (content: Uint8Array): Entries => readEntries([{ name: 'f.json', content }], now);
const readText = (text: string): Entries => readBytes(Buffer.from(text));
const read = (value: unknown): Entries => readText(JSON.stringify(value));
const shared = (name: string): Entries => readBytes(readFileSync(sharedFile(`cases/${name}`)));

describe('a file', () => {
  test('holds a list, or a reply of today with one', () => {
    expect(read([role, client])).toMatchObject({ roles: [role], clients: [client], problems: [] });
    expect(read({ roles: [role] })).toMatchObject({ roles: [role], clients: [], problems: [] });
    expect(read({ clients: [client] })).toMatchObject({ roles: [], clients: [client], problems: [] });
    expect(read({ clients: [] })).toMatchObject({ clients: [], problems: [] });
  });

  test('is refused where it is only a page', () => {
    for (const reply of [
      { clients: [client], continuationToken: 'next' },
      { continuationToken: 'next', roles: [role] },
    ])
      expect(read(reply)).toMatchObject({
        roles: [],
        clients: [],
        problems: [expect.stringMatching(/^f\.json: .*continuationToken.* one page of several/)],
      });
  });

  test.each([
    ['roleIds only', { roleIds: ['r'] }, 'roleIds'],
    ['something else beside a list', { roles: [role], total: 1 }, 'total'],
    ['one client by itself', client, 'clientId'],
    ['a property that is not well-formed', { '\ud83d': [] }, '\\ud83d'],
  ])('is refused, by the name of the property, where it holds %s', (_, value, name) => {
    const { problems } = read(value);
    expect(problems).toEqual([
      expect.stringContaining(`f.json: has a property "${name}", which is not known`),
    ]);
    expect(problems[0]).toContain('{"clients": […]}');
  });

  test.each([[{}], [null], ['x'], [5], [{ roles: role }], [{ roles: [role], clients: [client] }]])(
    'is refused where it holds %j',
    (value) => {
      expect(read(value)).toMatchObject({
        roles: [],
        clients: [],
        problems: [expect.stringMatching(/^f\.json: must hold a JSON array of roles or of clients, or /)],
      });
    },
  );

  test('may begin with a byte-order mark, and is UTF-8', () => {
    expect(readText(`\ufeff${JSON.stringify([role])}`)).toMatchObject({ roles: [role], problems: [] });
    expect(readText(`[\ufeff]`).problems).toEqual(['f.json: is not valid JSON']);
    expect(readText('').problems).toEqual(['f.json: is not valid JSON']);
    const utf16 = Buffer.from(`\ufeff${JSON.stringify([role])}`, 'utf16le');
    const latin1 = Buffer.from(JSON.stringify([{ ...role, description: 'é' }]), 'latin1');
    const surrogates = Buffer.concat([Buffer.from('["'), Buffer.from([0xed, 0xa0, 0xbd]), Buffer.from('"]')]);
    for (const content of [utf16, latin1, surrogates])
      expect(readBytes(content).problems).toEqual(['f.json: is not UTF-8']);
  });

  testWithShared('cases/list-clients-reply.json', 'is what clients and tools of today write', () => {
    expect(shared('list-clients-reply.json')).toMatchObject({
      clients: [{ clientId: 'project/x/worker' }],
      problems: [],
    });
    expect(shared('list-roles2-reply.json')).toMatchObject({ roles: [{ roleId: 'a' }], problems: [] });
    expect(shared('roles-with-bom.json')).toMatchObject({ roles: [{ roleId: 'a' }], problems: [] });
  });
});

describe('an entry', () => {
  const names = ['created', 'lastModified', 'lastRotated', 'lastDateUsed'];

  test('has dates as the API has them', () => {
    const dates = Object.fromEntries(names.map((name) => [name, '2020-01-01T02:00:00+02:00']));
    const [entry] = read([{ ...client, ...dates, expires: '2030-01-01T00:00:00-01:00' }]).clients;
    expect(entry).toMatchObject({ expires: '2030-01-01T01:00:00.000Z' });
    for (const name of names) expect(entry).toHaveProperty(name, '2020-01-01T00:00:00.000Z');
  });

  test.each([
    '2020-01-01T00:00:00',
    '2020-01-01',
    '2020',
    'Jan 5 2021',
    'Jan 5 2021 10:00 GMT',
    '',
    '2020-02-30T00:00:00Z',
    '9999-12-31T23:59:59-01:00',
    '0000-01-01T00:00:00+01:00',
    '+010000-01-01T00:00:00.000Z',
    1_577_836_800_000,
    null,
  ])('is refused with a date %j, by file, index and name', (date) => {
    for (const name of [...names, 'expires'])
      expect(read([client, { ...client, clientId: 'd', [name]: date }]).problems).toEqual([
        expect.stringMatching(new RegExp(`^f\\.json\\[1\\]: .*${name} must be `)),
      ]);
    for (const name of ['created', 'lastModified'])
      expect(read({ roles: [{ ...role, [name]: date }] }).problems).toEqual([
        expect.stringMatching(
          new RegExp(`^f\\.json\\[0\\]: ${name} must be a date that exists, with time and zone`),
        ),
      ]);
  });

  test('is refused with a text that other languages cannot read', () => {
    for (const description of ['cut \ud83d', '\ude00', 'a\0b'])
      for (const entry of [role, client])
        expect(read([{ ...entry, description }]).problems).toEqual([
          expect.stringMatching(/^f\.json\[0\]: body\.description must be well-formed Unicode/),
        ]);
    expect(read([{ ...role, description: '😀' }]).problems).toEqual([]);
  });

  test('is refused where its event would be larger than the log takes', () => {
    const scopes = Array.from({ length: 20_000 }, (_, i) => `${i}:${'x'.repeat(60)}`);
    const { problems } = read([
      { ...role, scopes },
      { ...client, scopes },
      { ...client, clientId: 'static/x', scopes },
    ]);
    expect(problems).toEqual([
      expect.stringMatching(/^f\.json\[0\]: an event of type RoleCreated would be \d+ bytes long; at most/),
      expect.stringMatching(/^f\.json\[1\]: an event of type ClientCreated would be \d+ bytes long; at most/),
    ]);
  });

  testWithShared('cases/dates-without-zone.json', 'is refused as real exports had it', () => {
    expect(shared('dates-without-zone.json').problems).toEqual([
      expect.stringMatching(/\[0\]: created must be/),
    ]);
    expect(shared('year-9999-offset.json').problems).toEqual([
      expect.stringMatching(/\[0\]: .*expires must be/),
    ]);
    expect(shared('lone-surrogate-role.json').problems).toEqual([
      expect.stringMatching(/\[0\]: .*description must be/),
    ]);
  });
});
