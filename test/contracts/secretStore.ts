import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { keyring, type Keyring } from '../../src/secretStore/keyring.ts';
import { type SecretKey } from '../../src/config/jsonSettings.ts';
import type { SecretStore } from '../../src/secretStore/secretStore.ts';

export type OpenedSecretStore = { store: SecretStore; remove(): Promise<void> };

export const newKey = (id: string): SecretKey => ({ id, key: randomBytes(32) });
const place = (clientId = 'a/client') => ({ clientId, credentialId: randomUUID() });

/** What every secret store does. */
export function secretStoreContract(name: string, open: (keys: Keyring) => Promise<OpenedSecretStore>): void {
  describe(`secret store contract: ${name}`, () => {
    let keys: SecretKey[];
    let opened: OpenedSecretStore;
    let store: SecretStore;
    beforeEach(async () => {
      keys = [newKey('first')];
      opened = await open(
        keyring(
          () => keys,
          () => true,
        ),
      );
      store = opened.store;
    });
    afterEach(() => opened.remove());

    test('returns what was put, under its own ref only', async () => {
      const here = place();
      await store.put(here, 'a token');
      expect(await store.get(here)).toBe('a token');
      expect(await store.get({ ...here, clientId: 'another' })).toBeUndefined();
      expect(await store.get(place())).toBeUndefined();
    });

    test('never puts another token in a place', async () => {
      const here = place();
      await store.put(here, 'a token');
      await store.put(here, 'a token');
      await expect(store.put(here, 'another')).rejects.toThrow(/never overwritten/);
      await expect(store.put({ ...here, clientId: 'another' }, 'a token')).rejects.toThrow(
        /never overwritten/,
      );
      expect(await store.get(here)).toBe('a token');
    });

    test('destroys an entry', async () => {
      const here = place();
      await store.put(here, 'a token');
      await store.destroy({ ...here, clientId: 'another' });
      expect(await store.get(here)).toBe('a token');
      await store.destroy(here);
      await store.destroy(here);
      expect(await store.get(here)).toBeUndefined();
    });

    test('shows nothing of a probe', async () => {
      await store.probe();
      expect(await store.list({ limit: 9 })).toEqual([]);
      const here = place();
      await store.put(here, 'a token');
      await Promise.all([store.probe(), store.probe()]);
      expect(await store.list({ limit: 9 })).toHaveLength(1);
      expect(await store.get(here)).toBe('a token');
    });

    test('lists its entries in pages, without tokens', async () => {
      const places = [place(), place(), place()].toSorted((a, b) =>
        a.credentialId < b.credentialId ? -1 : 1,
      );
      await Promise.all(places.map((each) => store.put(each, 'a token')));
      const first = await store.list({ limit: 2 });
      const rest = await store.list({ after: first[1]!.credentialId, limit: 2 });
      expect([...first, ...rest]).toMatchObject(places.map((each) => ({ ...each, keyId: 'first' })));
      expect(JSON.stringify(first)).not.toContain('a token');
      expect(Date.parse(first[0]!.createdAt)).not.toBeNaN();
    });

    test('reseals under the current key, and still returns the token', async () => {
      const here = place();
      await store.put(here, 'a token');
      expect(await store.reseal(here)).toBe(false);
      keys = [newKey('second'), ...keys];
      expect(await store.reseal(here)).toBe(true);
      expect(await store.reseal(here)).toBe(false);
      expect(await store.reseal(place())).toBe(false);
      expect(await store.get(here)).toBe('a token');
      expect(await store.list({ limit: 9 })).toMatchObject([{ ...here, keyId: 'second' }]);
    });
  });
}
