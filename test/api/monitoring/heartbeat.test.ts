import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { openStores, type Stores } from '../../../src/compose.ts';
import { readConfig } from '../../../src/config/config.ts';
import { sqliteEventStore } from '../../../src/eventStore/sqliteEventStore.ts';
import { validateEvent } from '../../../src/eventStore/validateEvent.ts';
import { openSqlite, type Sqlite } from '../../../src/storage/openSqlite.ts';
import { startServer } from '../../../src/cli/startServer.ts';
import { rawRequest } from '../../rawRequest.ts';
import { signedFetch } from '../../signed.ts';
import { minutesFromNow, ROOT, startService, type TestService } from '../../startService.ts';
import { guardedServices } from '../../../src/services/guardedServices.ts';

let service: TestService;
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await service.remove();
});

const at = (path: string, rootUrl = service.rootUrl): string => `${rootUrl}/api/auth/v1${path}`;
const heartbeat = (rootUrl?: string) => rawRequest(at('/__heartbeat__', rootUrl));
const settings = { description: '', expires: minutesFromNow(60), scopes: ['auth:current-scopes'] };
const create = (clientId: string) => service.current()['createClient']!(clientId, settings);

/** What is in the secret store is changed behind the service's back. */
function inSecrets(statement: string): void {
  const db = openSqlite(join(service.dataDir, 'secrets.sqlite'), { synchronous: 'FULL' });
  db.prepare(statement).run();
  db.close();
}

test('is well, and writes its probes beside what is kept', async () => {
  service = await startService();
  await create('one');
  const head = await service.service.core.eventStore.head();
  const replies = await Promise.all(Array.from({ length: 50 }, () => heartbeat()));
  expect(new Set(replies.map(({ status, text }) => `${status} ${text}`))).toEqual(new Set(['200 {}']));
  expect(await service.service.core.eventStore.head()).toBe(head);
});

describe('where a disk is full', () => {
  /** The same service once more, on a log that can be kept from getting any larger. */
  async function second() {
    const config = readConfig(guardedServices, { PORT: '0', DATA_DIR: service.dataDir });
    const files = await openStores(config);
    const db = openSqlite(join(service.dataDir, 'log.sqlite'), { synchronous: 'FULL' });
    await files.eventStore.close();
    const stores: Stores = { ...files, eventStore: sqliteEventStore({ db, validate: validateEvent }) };
    stores.close = async () => {
      await Promise.all(
        [stores.eventStore, stores.readStore, stores.secretStore].map((each) => each.close()),
      );
    };
    const lines: string[] = [];
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
    const serving = await startServer(config, { log, prepared: true, stores });
    stops.push(serving.stop);
    return { ...serving, db, lines };
  }
  const most = (db: Sqlite, pages: number): void => void db.pragma(`max_page_count = ${pages}`);
  const change = (rootUrl: string, clientId: string) =>
    signedFetch(at(`/clients/${clientId}`, rootUrl), ROOT, {
      method: 'PUT',
      body: { ...settings, description: 'x'.repeat(10_000) },
    });

  test('it says that the log cannot be written to, without a path, as long as that is so; what can be done still is', async () => {
    service = await startService();
    const { rootUrl, db, lines } = await second();
    expect((await change(rootUrl, 'before')).status).toBe(200);
    expect(await heartbeat(rootUrl)).toMatchObject({ status: 200, text: '{}' });
    most(db, 1);
    const statuses = [];
    for (let i = 0; i < 5; i += 1) statuses.push((await change(rootUrl, `full-${i}`)).status);
    expect(statuses.at(-1)).toBe(503);
    const sick = await heartbeat(rootUrl);
    expect(sick).toMatchObject({
      status: 503,
      body: { code: 'ServiceUnavailable', message: expect.stringContaining('the log cannot be written to') },
    });
    expect(sick.text).not.toContain(service.dataDir);
    expect(lines.join('')).toMatch(/the log fails the heartbeat/);
    expect((await rawRequest(at('/__lbheartbeat__', rootUrl))).status).toBe(200);
    expect((await signedFetch(at('/scopes/current', rootUrl), ROOT)).status).toBe(200);
    most(db, 1_000_000);
    expect((await change(rootUrl, 'after')).status).toBe(200);
    expect((await heartbeat(rootUrl)).status).toBe(200);
  });

  test('it finds out by itself where nothing is changed', async () => {
    service = await startService();
    const { rootUrl, db } = await second();
    most(db, 1);
    expect(await heartbeat(rootUrl)).toMatchObject({
      status: 503,
      body: { message: expect.stringContaining('the log cannot be written to') },
    });
  });
});

describe('where tokens of clients cannot be read', () => {
  test('it says so at once where they are missing, for those who asked and for those who did not', async () => {
    service = await startService();
    const clients = await Promise.all(Array.from({ length: 30 }, (_, i) => create(`client-${i}`)));
    expect((await heartbeat()).status).toBe(200);
    inSecrets("DELETE FROM secrets WHERE clientId LIKE 'client-%'");
    for (const credentials of clients)
      expect((await signedFetch(at('/scopes/current'), credentials)).status).toBe(500);
    const sick = await heartbeat();
    expect(sick).toMatchObject({
      status: 503,
      body: { message: expect.stringContaining('the secret store lacks tokens of clients') },
    });
    expect(sick.text).not.toContain('client-');
    expect(service.logged()).toMatch(/"clientId":"client-0".*the token of a client cannot be read/);
  });

  test('it finds out by itself, also after a restart', async () => {
    service = await startService();
    await create('a-client');
    inSecrets('DELETE FROM secrets');
    expect((await heartbeat()).body.message).toMatch(/the secret store lacks tokens of clients/);
    service = await service.restart();
    expect((await heartbeat()).body.message).toMatch(/the secret store lacks tokens of clients/);
    await service.current()['deleteClient']!('a-client');
    service = await service.restart();
    expect((await heartbeat()).status).toBe(200);
  });

  test('it says so where no key opens them, until they can be opened again', async () => {
    service = await startService();
    const credentials = await create('sealed');
    inSecrets("UPDATE secrets SET keyId = 'gone-' || keyId WHERE clientId = 'sealed'");
    expect((await signedFetch(at('/scopes/current'), credentials)).status).toBe(500);
    expect((await heartbeat()).body.message).toMatch(/has tokens of clients that none of its keys opens/);
    inSecrets("UPDATE secrets SET keyId = substr(keyId, 6) WHERE clientId = 'sealed'");
    expect((await signedFetch(at('/scopes/current'), credentials)).status).toBe(200);
    expect((await heartbeat()).status).toBe(200);
  });
});
