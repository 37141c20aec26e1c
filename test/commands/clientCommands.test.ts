import { describe, test } from '@jest/globals';
import { configureStaticClient } from '../../commands/configureStaticClient.ts';
import { createClient } from '../../commands/createClient.ts';
import { deleteClient } from '../../commands/deleteClient.ts';
import { disableClient } from '../../commands/disableClient.ts';
import { enableClient } from '../../commands/enableClient.ts';
import { expireClient } from '../../commands/expireClient.ts';
import { importClient } from '../../commands/importClient.ts';
import { resetAccessToken } from '../../commands/resetAccessToken.ts';
import { updateClient } from '../../commands/updateClient.ts';
import type { ClientEvent } from '../../schemas/events/clientEvents.ts';
import { decisionsOf, NOW } from '../decisionsOf.ts';

const clientId = 'ci/linux';
const credential = { id: 'credential-1', fingerprint: 'f1' };
const settings = {
  description: 'builds',
  expires: '2030-01-01T00:00:00.000Z',
  deleteOnExpiration: false,
  scopes: ['a', 'b'],
};
const create = { clientId, ...settings, credential };
const created: ClientEvent = { type: 'ClientCreated', data: create };
const disabled: ClientEvent = { type: 'ClientDisabled', data: { clientId } };
const deleted: ClientEvent = { type: 'ClientDeleted', data: { clientId } };

const minutesLater = (minutes: number): Date => new Date(NOW.getTime() + minutes * 60_000);
const importedJustNow = { created: NOW.toJSON(), lastModified: NOW.toJSON(), lastRotated: NOW.toJSON() };

describe('createClient', () => {
  const { given } = decisionsOf(createClient);
  test('creates a client', () => given().when(create).then(created));
  test('accepts any form of a date, and stores one form', () => {
    given()
      .when({ ...create, expires: '2030-01-01T01:00:00+01:00' })
      .then(created);
  });
  test('needs the scopes of the client', () =>
    given()
      .when(create)
      .needsScopesFor({ clientId, scopes: ['a', 'b'] }));
  test('creates it again after it was deleted', () => given(created, deleted).when(create).then(created));
  test('does nothing for a retry within 15 minutes, and needs the scopes all the same', () => {
    const again = { ...create, credential: { id: 'credential-2', fingerprint: 'f2' } };
    given(created).when(again).then();
    given(deleted, created, deleted, created).when(again).then();
    given(created)
      .when({ ...again, expires: '2030-01-01T01:00:00+01:00' })
      .then();
    given(created).when(again, minutesLater(14.99)).then();
    given(created).when(again, minutesLater(-1)).then();
    given(created)
      .when(again)
      .needsScopesFor({ clientId, scopes: ['a', 'b'] });
  });
  test.each<[string, object]>([
    ['another description', { description: 'other' }],
    ['another end', { expires: '2030-01-01T00:00:00.001Z' }],
    ['another wish to be deleted', { deleteOnExpiration: true }],
    ['other scopes', { scopes: ['a', 'b', 'c'] }],
    ['scopes in another order', { scopes: ['b', 'a'] }],
    ['dates of another deployment', { imported: importedJustNow }],
  ])('refuses one that exists if the request has %s', (_, change) => {
    given(created)
      .when({ ...create, ...change })
      .isRefused('RequestConflict', { clientId });
  });
  test('refuses one that exists 15 minutes after it was created', () =>
    given(created).when(create, minutesLater(15)).isRefused('RequestConflict'));
  test.each<[string, ClientEvent[]]>([
    ['was given a new token', [{ type: 'AccessTokenReset', data: { clientId, credential } }]],
    ['is disabled', [disabled]],
    ['was disabled and enabled', [disabled, { type: 'ClientEnabled', data: { clientId } }]],
    ['was updated, and back', [{ type: 'ClientUpdated', data: { clientId, ...settings } }]],
  ])('refuses one that %s after it was created', (_, changes) => {
    given(created, ...changes)
      .when(create)
      .isRefused('RequestConflict');
  });
  test('refuses one that was imported just now', () => {
    given({ type: 'ClientCreated', data: { ...create, imported: importedJustNow } })
      .when(create)
      .isRefused('RequestConflict');
  });
  test('refuses static clients', () =>
    given()
      .when({ ...create, clientId: 'static/x' })
      .isRefused('InputError'));
  test('refuses scopes that end in two stars', () =>
    given()
      .when({ ...create, scopes: ['a**'] })
      .isRefused('InputError', { scope: 'a**' }));
});

describe('updateClient', () => {
  const { given } = decisionsOf(updateClient);
  const update = { clientId, ...settings, scopes: ['b', 'c'] };
  test('changes a client', () => given(created).when(update).then({ type: 'ClientUpdated', data: update }));
  test('needs only the scopes that are added', () =>
    given(created)
      .when(update)
      .needsScopesFor({ clientId, scopesAdded: ['c'] }));
  test('leaves omitted scopes unchanged', () => {
    const { scopes: _, ...rest } = { ...update, description: 'new' };
    given(created).when(rest).then({ type: 'ClientUpdated', data: rest });
    given(created).when(rest).needsScopesFor({ clientId, scopesAdded: [] });
  });
  test('does nothing if nothing would change', () =>
    given(created)
      .when({ clientId, ...settings })
      .then());
  test('refuses a client that does not exist', () => given().when(update).isRefused('ResourceNotFound'));
  test('refuses static clients first', () =>
    given()
      .when({ ...update, clientId: 'static/x' })
      .isRefused('InputError'));
});

describe('enableClient and disableClient', () => {
  const enable = decisionsOf(enableClient).given;
  const disable = decisionsOf(disableClient).given;
  test('disable one that is enabled', () => disable(created).when({ clientId }).then(disabled));
  test('enable one that is disabled', () =>
    enable(created, disabled).when({ clientId }).then({ type: 'ClientEnabled', data: { clientId } }));
  test('do nothing if nothing would change', () => {
    disable(created, disabled).when({ clientId }).then();
    enable(created).when({ clientId }).then();
  });
  test('refuse a client that does not exist, and static ones', () => {
    disable().when({ clientId }).isRefused('ResourceNotFound');
    enable().when({ clientId: 'static/x' }).isRefused('InputError');
  });
});

describe('resetAccessToken', () => {
  const { given } = decisionsOf(resetAccessToken);
  const input = { clientId, credential: { id: 'credential-2', fingerprint: 'f2' } };
  test('names the new token', () =>
    given(created).when(input).then({ type: 'AccessTokenReset', data: input }));
  test('refuses a client that does not exist', () =>
    given(created, deleted).when(input).isRefused('ResourceNotFound'));
});

describe('deleteClient', () => {
  const { given } = decisionsOf(deleteClient);
  test('removes a client', () => given(created).when({ clientId }).then(deleted));
  test('is content where there is none', () => given().when({ clientId }).then());
  test('refuses static clients', () => given().when({ clientId: 'static/x' }).isRefused('InputError'));
});

describe('expireClient', () => {
  const { given } = decisionsOf(expireClient);
  const expires = '2025-01-01T00:00:00.000Z';
  const over = { ...created, data: { ...create, expires, deleteOnExpiration: true } } as ClientEvent;
  test('removes a client whose time is over', () => {
    given(over).when({ clientId }).then({ type: 'ClientExpired', data: { clientId, expires } });
  });
  test('leaves one that has time, or that did not ask for it', () => {
    given({ ...created, data: { ...create, deleteOnExpiration: true } } as ClientEvent)
      .when({ clientId })
      .then();
    given({ ...created, data: { ...create, expires } } as ClientEvent)
      .when({ clientId })
      .then();
  });
});

describe('importClient', () => {
  const { given } = decisionsOf(importClient);
  const imported = {
    created: '2015-01-01T00:00:00.000Z',
    lastModified: '2016-01-01T00:00:00.000Z',
    lastRotated: '2016-01-01T00:00:00.000Z',
  };
  test('creates and disables in one step', () => {
    given()
      .when({ ...create, imported, disabled: true })
      .then(
        { type: 'ClientCreated', data: { ...create, imported } },
        {
          type: 'ClientDisabled',
          data: { clientId, imported: { lastModified: imported.lastModified } },
        },
      );
  });
});

describe('configureStaticClient', () => {
  const { given } = decisionsOf(configureStaticClient);
  const staticId = 'static/root';
  const configured = { description: 'builds', scopes: ['a', 'b'] };
  const input = { clientId: staticId, settings: configured, credential };
  const data = {
    clientId: staticId,
    ...configured,
    expires: '3000-01-01T00:00:00.000Z',
    deleteOnExpiration: false,
  };
  const stored: ClientEvent = { type: 'ClientCreated', data: { ...data, credential } };
  test('creates one that is configured', () => given().when(input).then(stored));
  test('does nothing if it has that configuration, even under another credential id', () =>
    given(stored)
      .when({ ...input, credential: { ...credential, id: 'another' } })
      .then());
  test('restores the lost token of a client, once', () => {
    const next = { ...credential, id: 'credential-2' };
    given(stored)
      .when({ ...input, credential: next, lost: credential.id })
      .then({ type: 'AccessTokenReset', data: { clientId: staticId, credential: next } });
    given(stored)
      .when({ ...input, credential: next, lost: 'an earlier one' })
      .then();
  });
  test('changes settings and token', () => {
    const next = {
      ...input,
      settings: { ...configured, scopes: ['c'] },
      credential: { id: 'credential-2', fingerprint: 'f2' },
    };
    given(stored)
      .when(next)
      .then(
        { type: 'ClientUpdated', data: { ...data, scopes: ['c'] } },
        {
          type: 'AccessTokenReset',
          data: { clientId: staticId, credential: next.credential },
        },
      );
  });
  test('deletes one that is no longer configured', () => {
    given(stored)
      .when({ ...input, settings: undefined })
      .then({ type: 'ClientDeleted', data: { clientId: staticId } });
  });
});
