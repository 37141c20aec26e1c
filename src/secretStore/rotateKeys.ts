import type { Keyring } from './keyring.ts';
import type { SecretEntry, SecretStore } from './secretStore.ts';

const PAGE_SIZE = 500;

/** The result of a rotation: `unused` keys may be removed, `used` ones still seal secrets. */
export type Rotation = {
  resealed: number;
  resumed: boolean;
  current: string;
  unused: string[];
  used: string[];
};

/**
 * Seals every secret under a new key. `addKey` creates it if this service keeps the keys itself; otherwise the operator
 * has put a new key first. An interrupted rotation is completed first, without another key.
 */
export async function rotateKeys(
  { secretStore, keys, addKey }: { secretStore: SecretStore; keys: Keyring; addKey?: () => string },
  onProgress: (done: number, total: number) => void,
): Promise<Rotation> {
  const before = await allEntries(secretStore);
  const resumed = before.some(({ keyId }) => keyId !== keys.currentKeyId());
  if (!resumed) addKey?.();
  const current = keys.currentKeyId();
  let resealed = 0;
  for (const [i, entry] of before.entries()) {
    if (await secretStore.reseal(entry)) resealed += 1;
    onProgress(i + 1, before.length);
  }
  const inUse = new Set((await allEntries(secretStore)).map(({ keyId }) => keyId));
  const old = keys.keyIds().filter((id) => id !== current);
  return {
    resealed,
    resumed,
    current,
    unused: old.filter((id) => !inUse.has(id)),
    used: old.filter((id) => inUse.has(id)),
  };
}

async function allEntries(secretStore: SecretStore): Promise<SecretEntry[]> {
  const entries: SecretEntry[] = [];
  let page: SecretEntry[];
  do {
    page = await secretStore.list({ after: entries.at(-1)?.credentialId, limit: PAGE_SIZE });
    entries.push(...page);
  } while (page.length === PAGE_SIZE);
  return entries;
}
