import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { keyring } from '../../src/secretStore/keyring.ts';
import { memorySecretStore } from '../../src/secretStore/memorySecretStore.ts';
import { rotateKeys } from '../../src/secretStore/rotateKeys.ts';
import { UnsealError } from '../../src/secretStore/secretStore.ts';
import { newKey } from '../contracts/secretStore.ts';

const place = { clientId: 'a/client', credentialId: 'c' };

describe('a keyring', () => {
  test('opens what it sealed, and seals differently each time', () => {
    const ring = keyring(() => [newKey('k')]);
    const [one, other] = [ring.seal(place, 'token'), ring.seal(place, 'token')];
    expect(ring.open(place, one)).toBe('token');
    expect(one.sealed.equals(other.sealed)).toBe(false);
  });

  test('opens nothing that was moved or changed', () => {
    const ring = keyring(() => [newKey('k')]);
    const sealed = ring.seal(place, 'token');
    const changed = Buffer.from(sealed.sealed);
    changed[14]! ^= 1;
    for (const attempt of [
      () => ring.open({ ...place, clientId: 'another' }, sealed),
      () => ring.open({ ...place, credentialId: 'd' }, sealed),
      () => ring.open(place, { ...sealed, sealed: changed }),
      () => ring.open(place, { ...sealed, sealed: sealed.sealed.subarray(0, 5) }),
      () => ring.open(place, { ...sealed, keyId: 'unknown' }),
    ]) {
      expect(attempt).toThrow(UnsealError);
    }
  });

  test('reads its keys again when it meets one it does not know', () => {
    let keys = [newKey('first')];
    const [here, elsewhere] = [keyring(() => keys), keyring(() => keys)];
    keys = [newKey('second'), ...keys];
    const changed = keyring(() => keys);
    expect(elsewhere.open(place, changed.seal(place, 'token'))).toBe('token');
    expect(elsewhere.currentKeyId()).toBe('second');
    expect(here.currentKeyId()).toBe('first');
  });

  test('shows no key to anybody', () => {
    const key = newKey('k');
    const shown =
      inspect(
        keyring(() => [key]),
        { depth: 9, showHidden: true },
      ) + JSON.stringify(keyring(() => [key]));
    expect(shown).not.toContain(key.key.toString('base64'));
    expect(shown).not.toContain(key.key.toString('hex').slice(0, 8));
  });
});

describe('a rotation', () => {
  const places = Array.from({ length: 20 }, (_, i) => ({ clientId: `client/${i}`, credentialId: `c${i}` }));
  async function filled() {
    let keys = [newKey('first')];
    const ring = keyring(
      () => keys,
      () => true,
    );
    const secretStore = memorySecretStore({ keyring: ring });
    for (const each of places) await secretStore.put(each, `token of ${each.clientId}`);
    const addKey = (): string => ((keys = [newKey(`key-${keys.length}`), ...keys]), keys[0]!.id);
    return { secretStore, keys: ring, addKey };
  }

  test('seals everything under a new key, and says which are not used any more', async () => {
    const parts = await filled();
    expect(await rotateKeys(parts, () => undefined)).toEqual({
      resealed: 20,
      resumed: false,
      current: 'key-1',
      unused: ['first'],
      used: [],
    });
    for (const each of places) expect(await parts.secretStore.get(each)).toBe(`token of ${each.clientId}`);
  });

  test('that was interrupted is finished without another key', async () => {
    const parts = await filled();
    parts.addKey();
    await parts.secretStore.reseal(places[3]!);
    expect(await rotateKeys(parts, () => undefined)).toMatchObject({
      resealed: 19,
      resumed: true,
      current: 'key-1',
      unused: ['first'],
    });
  });
});
