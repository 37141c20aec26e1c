import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, test } from '@jest/globals';
import { openMongo } from '../../src/storage/openMongo.ts';
import { mongoReadStore } from '../../src/readStore/mongoReadStore.ts';
import { readTopic } from './kafkaTopic.ts';
import { untilPublished } from './publisherAt.ts';
import { unusedPort } from '../listeners.ts';
import { listens } from './realServers.ts';
import { end } from '../runCommand.ts';
import { startService } from '../startService.ts';
import { whereServersRun } from './whereServersRun.ts';

const SCRIPT = join(import.meta.dirname, '../../scripts/servers');

whereServersRun(['ferretdb', 'kafka'], 'scripts/servers', () => {
  const folder = mkdtempSync(join(tmpdir(), 'authledger-script-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Starts it, with its temporary files in the folder; resolves with the settings that it prints once it has printed all. */
  async function started(ports: number[]) {
    const env = { ...process.env, TMPDIR: folder };
    const child = spawn(SCRIPT, ports.map(String), { env, stdio: ['ignore', 'pipe', 'ignore'] });
    const settings: Record<string, string> = {};
    for await (const line of createInterface({ input: child.stdout })) {
      const [, name, value] = /export (\w+)=(.*)/.exec(line) ?? [];
      if (name !== undefined) settings[name] = value!;
      if (name === 'READ_STORE_URL') break;
    }
    return { child, settings };
  }

  test('starts what a service can publish to, and leaves nothing behind when it is interrupted', async () => {
    const ports = [await unusedPort(), await unusedPort(), await unusedPort()];
    const { child, settings } = await started(ports);
    try {
      const service = await startService({ KAFKA_BROKERS: settings['KAFKA_BROKERS']! });
      await service.current()['createRole']!('published', { description: '', scopes: [] });
      await untilPublished(service.rootUrl);
      await service.remove();
      const keys = (await readTopic(settings['KAFKA_BROKERS']!, 'authledger.events')).map(({ key }) => key);
      expect(keys).toContain('role/published');
      const readStore = mongoReadStore(await openMongo(settings['READ_STORE_URL']!, 'tried.'));
      await readStore.commit('table', [{ key: 'a', value: { n: 1 }, position: 'p' }], 'p');
      expect(await readStore.checkpoint('table')).toBe('p');
      await readStore.close();
      expect(readdirSync(folder)).not.toEqual([]);
    } finally {
      await end(child, 'SIGINT');
    }
    expect(child.exitCode).toBe(130);
    expect(readdirSync(folder)).toEqual([]);
    expect(await Promise.all(ports.map(listens))).toEqual([false, false, false]);
  }, 90_000);
});
