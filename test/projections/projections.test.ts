import { describe, expect, test } from '@jest/globals';
import { actorHistory } from '../../projections/actorHistory.ts';
import { ANY_OF_MANY, clientGiven, clientScopes, MANY_SCOPES } from '../../projections/clientScopes.ts';
import { clientExpiring, expirations } from '../../projections/expirations.ts';
import { lives } from '../../projections/lives.ts';
import { clients } from '../../projections/clients.ts';
import { roleHistory } from '../../projections/roleHistory.ts';
import { times, type TimesRow } from '../../projections/times.ts';
import { roles } from '../../projections/roles.ts';
import type { ClientEvent } from '../../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../../schemas/events/roleEvents.ts';
import { recorded, rowAfter } from '../decisionsOf.ts';

const clientId = 'a/client';
const data = {
  clientId,
  description: '',
  expires: '2030-01-01T00:00:00.000Z',
  deleteOnExpiration: false,
  scopes: ['a'],
  credential: { id: 'credential-1', fingerprint: 'f1' },
};
const created: ClientEvent = { type: 'ClientCreated', data };
const disabled: ClientEvent = { type: 'ClientDisabled', data: { clientId } };
const enabled: ClientEvent = { type: 'ClientEnabled', data: { clientId } };
const reset: ClientEvent = {
  type: 'AccessTokenReset',
  data: { clientId, credential: { id: 'credential-2', fingerprint: 'f2' } },
};
const [first, second, third] = [
  '2026-01-01T12:00:00.000Z',
  '2026-01-01T12:00:01.000Z',
  '2026-01-01T12:00:02.000Z',
];

const roleCreated: RoleEvent = {
  type: 'RoleCreated',
  data: { roleId: 'r', description: '', scopes: ['a'] },
};

describe('clients', () => {
  test('are at the revision of their stream after each of its events, as the next change expects', () => {
    const { credential, scopes, ...settings } = data;
    const events: ClientEvent[] = [
      created,
      { type: 'ClientUpdated', data: { ...settings, scopes } },
      { type: 'ClientUpdated', data: settings },
      disabled,
      enabled,
      { type: 'AccessTokenReset', data: { clientId, credential } },
      { type: 'ClientDeleted', data: { clientId } },
      { type: 'ClientExpired', data: { clientId, expires: data.expires } },
    ];
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(Object.keys(clients.on)));
    for (const event of events) {
      const revision = /Deleted|Expired/.test(event.type) ? undefined : 1;
      expect([event.type, rowAfter(clients, created, event)?.revision]).toEqual([event.type, revision]);
    }
  });

  test('has a client from its creation on', () => {
    const dates = { created: first, lastModified: first, lastRotated: first };
    expect(rowAfter(clients, created)).toEqual({
      ...data,
      disabled: false,
      ...dates,
      revision: 0,
      creationRevision: 0,
    });
  });
  test('keeps the dates of an imported one', () => {
    const imported = {
      created: '2015-01-01T00:00:00.000Z',
      lastModified: '2016-01-01T00:00:00.000Z',
      lastRotated: '2017-01-01T00:00:00.000Z',
    };
    const event: ClientEvent = { type: 'ClientCreated', data: { ...data, imported } };
    expect(rowAfter(clients, event)).toMatchObject(imported);
    expect(rowAfter(clients, event)).not.toHaveProperty('imported');
    expect(rowAfter(clients, event)).not.toHaveProperty('creationRevision');
    const off: ClientEvent = {
      type: 'ClientDisabled',
      data: { clientId, imported: { lastModified: imported.lastModified } },
    };
    expect(rowAfter(clients, event, off)).toMatchObject({ ...imported, disabled: true });
  });
  test('follows disabling and enabling', () => {
    expect(rowAfter(clients, created, disabled)).toMatchObject({
      disabled: true,
      lastModified: second,
      revision: 1,
    });
    expect(rowAfter(clients, created, disabled, enabled)).toMatchObject({
      disabled: false,
      lastModified: third,
    });
  });
  test('names the newest token only', () => {
    expect(rowAfter(clients, created, reset)).toMatchObject({
      credential: { id: 'credential-2' },
      lastRotated: second,
      created: first,
    });
  });
  test('keeps scopes that an update leaves out', () => {
    const { scopes: _, credential: __, ...settings } = { ...data, description: 'new' };
    expect(rowAfter(clients, created, { type: 'ClientUpdated', data: settings })).toMatchObject({
      scopes: ['a'],
      description: 'new',
    });
  });
  test('has no row after deletion or expiration, and a fresh one if it is created again', () => {
    const deleted: ClientEvent = { type: 'ClientDeleted', data: { clientId } };
    expect(rowAfter(clients, created, deleted)).toBeUndefined();
    expect(
      rowAfter(clients, created, { type: 'ClientExpired', data: { clientId, expires: data.expires } }),
    ).toBeUndefined();
    expect(rowAfter(clients, created, disabled, deleted, created)).toMatchObject({
      disabled: false,
      created: '2026-01-01T12:00:03.000Z',
    });
  });
});

describe('roles', () => {
  test('follows a role through its life', () => {
    expect(rowAfter(roles, roleCreated)).toEqual({
      roleId: 'r',
      description: '',
      scopes: ['a'],
      created: first,
      lastModified: first,
    });
    const updated: RoleEvent = {
      type: 'RoleUpdated',
      data: { roleId: 'r', description: 'new', scopes: ['b'] },
    };
    expect(rowAfter(roles, roleCreated, updated)).toMatchObject({
      scopes: ['b'],
      created: first,
      lastModified: second,
    });
    expect(rowAfter(roles, roleCreated, { type: 'RoleDeleted', data: { roleId: 'r' } })).toBeUndefined();
  });
});

describe('the histories', () => {
  const event = recorded([disabled], 'who/did-it')[0]!;
  test('have an entry for every event type', () => {
    const { entries } = actorHistory.on.ClientDisabled!(undefined, event as never)!;
    expect(entries).toEqual([
      ['client disabled', first, 'client', clientId, event.position.slice(-2), event.revision],
    ]);
    const types = [...Object.keys(clients.on), ...Object.keys(roles.on)];
    expect(Object.keys(actorHistory.on).sort()).toEqual([...types, 'CredentialsIssued'].sort());
    expect(Object.keys(times.on).sort()).toEqual(Object.keys(actorHistory.on).sort());
    expect(Object.keys(roleHistory.on).sort()).toEqual(Object.keys(roles.on).sort());
  });
  test('of an actor has its changes at neighbouring positions in one row, in order', () => {
    const { entries } = rowAfter(actorHistory, created, disabled)!;
    expect(entries.map(([actionType]) => actionType)).toEqual(['created', 'client disabled']);
    expect(actorHistory.keys(event)).toEqual([`who/did-it\n${event.position.slice(0, -2)}`]);
  });
  test('of an actor has the credentials that it was given in rows of their own', () => {
    const type = 'CredentialsIssued' as const;
    const issued = { ...event, type, data: { service: 's', target: 't', expires: first } };
    expect(actorHistory.keys(issued)).toEqual([`who/did-it\tcredentials\n${event.position.slice(0, -2)}`]);
  });
  test('of a role has a row for each change, in log order', () => {
    const { stream: _, ...role } = recorded([roleCreated])[0]!;
    expect(roleHistory.keys(role as never)).toEqual([`r\n${role.position}`]);
    expect(rowAfter(roleHistory, roleCreated)).toEqual(role);
  });
});

describe('the lives', () => {
  test('have a row for each beginning and each end', () => {
    const [begun, , ended] = recorded([created, disabled, { type: 'ClientDeleted', data: { clientId } }]);
    expect(lives.keys(begun as never)).toEqual([`client/${clientId}\n${begun!.position}`]);
    expect(rowAfter(lives, created)).toEqual({ created: first });
    expect(lives.on.ClientDeleted!(undefined, ended as never)).toEqual({});
    expect(lives.on.ClientDisabled).toBeUndefined();
  });
});

describe('the times', () => {
  test('of neighbouring events are those of the earliest and the latest, whatever their order', () => {
    const events = recorded([created, disabled, roleCreated]);
    const at = ['2030-01-02T00:00:00Z', '2030-01-03T00:00:00+01:00', '2030-01-01T00:00:00Z'];
    const row = at.reduce<TimesRow | undefined>(
      (before, time, i) =>
        times.on.RoleCreated!(before, {
          ...events[i]!,
          metadata: { ...events[i]!.metadata, at: time },
        } as never),
      undefined,
    );
    expect(row).toEqual({
      earliest: Date.parse('2030-01-01T00:00:00Z'),
      latest: Date.parse('2030-01-02T23:00:00Z'),
    });
    expect(new Set(events.flatMap((event) => times.keys(event as never))).size).toBe(1);
  });
});

describe('the scopes of clients', () => {
  test('have a row for each scope that a client was given', () => {
    const [event] = recorded([created]);
    expect(clientScopes.keys(event as never)).toEqual(
      created.data.scopes.map((scope) => `${scope}\n${clientId}`),
    );
    expect(clientScopes.keys(recorded([disabled])[0] as never)).toEqual([]);
    expect(clientScopes.keys(event as never).map(clientGiven)).toEqual(
      created.data.scopes.map(() => clientId),
    );
    expect(rowAfter(clientScopes, created)).toEqual({});
  });

  test('have one row for a client that has many', () => {
    const scopes = Array.from({ length: MANY_SCOPES + 1 }, (_, i) => `s${i}`);
    const [event] = recorded([{ ...created, data: { ...data, scopes } }]);
    expect(clientScopes.keys(event as never)).toEqual([`${ANY_OF_MANY}\n${clientId}`]);
  });
});

test('the expirations of clients have a row for each date that a client was given', () => {
  const [event] = recorded([created]);
  const time = new Date(created.data.expires);
  expect(expirations.keys(event as never)).toEqual([`${time.toJSON()}\n${clientId}`]);
  expect(expirations.keys(recorded([disabled])[0] as never)).toEqual([]);
  expect(expirations.keys(event as never).map(clientExpiring)).toEqual([clientId]);
  expect(rowAfter(expirations, created)).toEqual({});
});
