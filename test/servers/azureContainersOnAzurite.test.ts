import {
  AnonymousCredential,
  BlobServiceClient,
  type ContainerClient,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { azureContainers } from '../../src/services/azureContainers.ts';
import { type Account, refused, serviceOnAzurite } from './serviceOnAzurite.ts';
import { whereServersRun } from './whereServersRun.ts';

const options = { retryOptions: { maxTries: 1 } };
const methods = [
  ['azureBlobSAS', 'older', 'auth:azure-blob'],
  ['azureContainerSAS', 'current', 'auth:azure-container'],
] as const;

const write = (container: ContainerClient, name = 'a') =>
  container.getBlockBlobClient(name).upload('text', 4);
const read = async (container: ContainerClient): Promise<string> =>
  (await container.getBlobClient('a').downloadToBuffer()).toString();
async function list(container: ContainerClient): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of container.listBlobsFlat()) names.push(name);
  return names;
}

whereServersRun(['azurite'], 'the SAS of a container on Azurite', () => {
  let on: Awaited<ReturnType<typeof serviceOnAzurite>>;
  beforeAll(async () => {
    on = await serviceOnAzurite();
  }, 60_000);
  afterAll(() => on?.remove());

  const withSas = (sas: string, container: string, account: Account = 'acc1'): ContainerClient =>
    new BlobServiceClient(
      `${on.blobEndpoint(account)}?${sas}`,
      new AnonymousCredential(),
      options,
    ).getContainerClient(container);
  const owner = (account: Account = 'acc1'): BlobServiceClient => {
    const credential = new StorageSharedKeyCredential(account, on.keys[account]);
    return new BlobServiceClient(on.blobEndpoint(account), credential, options);
  };
  const exists = (name: string): Promise<boolean> => owner().getContainerClient(name).exists();

  test.each(methods)(
    'reads and writes where it is read-write, and the container is created: %s',
    async (...each) => {
      const [method, dialect, scope] = each;
      const name = `written-${dialect}`;
      const credentials = await on.client(`writer/${dialect}`, `${scope}:read-write:acc1/${name}`);
      const ask = () => on.service[dialect](credentials)[method]!('acc1', name, 'read-write');
      expect(await exists(name)).toBe(false);
      const container = withSas((await ask()).sas, name);
      expect(await exists(name)).toBe(true);
      await write(container);
      await container.getAppendBlobClient('log').create();
      await container.getAppendBlobClient('log').appendBlock('more', 4);
      expect([await read(container), await list(container)]).toEqual(['text', ['a', 'log']]);
      const again = withSas((await ask()).sas, name);
      await again.deleteBlob('a');
      expect(await list(again)).toEqual(['log']);
    },
  );

  test.each(methods)(
    'reads, lists and does not write where it is read-only, and none is created: %s',
    async (...each) => {
      const [method, dialect, scope] = each;
      const name = `read-${dialect}`;
      const credentials = await on.client(`reader/${dialect}`, `${scope}:read-only:acc1/${name}`);
      const { sas } = await on.service[dialect](credentials)[method]!('acc1', name, 'read-only');
      expect(await exists(name)).toBe(false);
      await owner().createContainer(name);
      await write(owner().getContainerClient(name));
      const container = withSas(sas, name);
      expect([await read(container), await list(container)]).toEqual(['text', ['a']]);
      await expect(write(container, 'b')).rejects.toMatchObject(refused);
      await expect(container.deleteBlob('a')).rejects.toMatchObject(refused);
      expect(await list(container)).toEqual(['a']);
    },
  );

  test('is refused by another container and another account', async () => {
    await owner().createContainer('foreign');
    await owner('acc2').createContainer('own');
    const { sas } = await on.service.current()['azureContainerSAS']!('acc1', 'own', 'read-write');
    await write(withSas(sas, 'own'));
    for (const container of [withSas(sas, 'foreign'), withSas(sas, 'own', 'acc2')]) {
      await expect(write(container)).rejects.toMatchObject(refused);
      await expect(list(container)).rejects.toMatchObject(refused);
    }
  });

  test('is refused once it has expired', async () => {
    const sasAsOf = (minutesAgo: number) =>
      on.sasAsOf(minutesAgo, azureContainers, [
        'azureContainerSAS',
        { container: 'expiring', level: 'read-write' },
      ]);
    await write(withSas(await sasAsOf(24), 'expiring'));
    await expect(read(withSas(await sasAsOf(26), 'expiring'))).rejects.toMatchObject(refused);
  });

  test('all containers of an account are listed, page by page', async () => {
    const many = Array.from({ length: 1001 }, (_, i) => `many${i}`);
    const blobs = owner('acc2');
    for (let i = 0; i < many.length; i += 40)
      await Promise.all(many.slice(i, i + 40).map((name) => blobs.createContainer(name)));
    const auth = on.service.current();
    const first = await auth['azureContainers']!('acc2');
    expect(first.containers).toHaveLength(1000);
    const { continuationToken } = first;
    const last = await auth['azureContainers']!('acc2', { continuationToken });
    expect(last).toEqual({ containers: expect.any(Array) });
    expect([...first.containers, ...last.containers]).toEqual(expect.arrayContaining(many));
  });
});
