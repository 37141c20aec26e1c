import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import apis from 'taskcluster-client/src/apis.js';
import { eventSchemaName, eventSchemaPath, eventSchemas } from '../../schemas/events/eventSchemas.ts';
import { authledgerSchemas } from '../../schemas/v1/authledger/authledgerSchemas.ts';
import { bodySchemas } from '../../src/api/documents/bodySchemas.ts';
import { guardedServices } from '../../src/services/guardedServices.ts';
import { type AsyncapiDocument, asyncapiProblems } from '../asyncapiDocument.ts';
import { sharedFile, testWithShared } from '../sharedData.ts';
import { startService, type TestService } from '../startService.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.remove());

type Entry = { name: string; route: string; [key: string]: unknown };
const get = async (path: string): Promise<never> =>
  (await (await fetch(service.rootUrl + path)).json()) as never;
const shared = (path: string): never => JSON.parse(readFileSync(sharedFile(path), 'utf8')) as never;
/** Other forms of replies have a schema here only. */
const isOtherForm = (name: string): boolean =>
  guardedServices.some(({ endpoints }) => endpoints.some(({ otherOutput }) => otherOutput === name));

function withoutProse(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutProse);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(
    ([key, each]) => !(['title', 'description'].includes(key) && typeof each === 'string'),
  );
  return Object.fromEntries(
    entries.map(([key, each]) => [
      key,
      key === 'required' ? [...(each as string[])].sort() : withoutProse(each),
    ]),
  );
}

describe('the reference document', () => {
  testWithShared('spec/api-current.json', 'says what the published one does', async () => {
    const { entries } = (await get('/references/auth/v1/api.json')) as { entries: Entry[] };
    const published = (shared('spec/api-current.json') as { entries: Entry[] }).entries;
    const structure = entries.map(({ type: _, title: __, description: ___, ...entry }) => entry);
    const byName = (a: Entry, b: Entry): number => a.name.localeCompare(b.name);
    expect((structure as Entry[]).sort(byName)).toEqual(published.sort(byName));
  });

  test.each(['auth', 'authledger'])('of %s has prose for every method', async (service) => {
    const { entries } = (await get(`/references/${service}/v1/api.json`)) as { entries: Entry[] };
    for (const { name, title, description } of entries)
      expect({ name, title, description }).toEqual({
        name,
        title: expect.stringMatching(/./),
        description: expect.stringMatching(/./),
      });
  });
});

describe('the schemas', () => {
  test.each(['auth', 'authledger'])('that the reference of %s names are served', async (service) => {
    const { entries } = (await get(`/references/${service}/v1/api.json`)) as { entries: Entry[] };
    const named = entries
      .flatMap(({ input, output }) => [input, output])
      .filter((name) => name !== undefined);
    for (const schema of named as string[])
      expect(await get(`/schemas/${service}/${schema.slice(0, -1)}`)).toMatchObject({
        $id: `/schemas/${service}/${schema}`,
      });
  });

  testWithShared('spec/schemas-current/scopeset.json', 'are the published ones', () => {
    for (const [name, schema] of Object.entries(bodySchemas)) {
      if (name.startsWith('older-') || isOtherForm(name) || name in authledgerSchemas) continue;
      expect(withoutProse(schema)).toEqual(withoutProse(shared(`spec/schemas-current/${name}.json`)));
    }
  });

  testWithShared(
    'spec/schemas-seed/scopeset.json',
    'of older guarded services are the published ones',
    () => {
      for (const schemas of guardedServices.map((service) => service.schemas)) {
        for (const [name, schema] of Object.entries(schemas)) {
          if (!name.startsWith('older-')) continue;
          const file = `spec/schemas-seed/${name.slice('older-'.length)}.json`;
          const { $schema: _, ...published } = shared(file) as Record<string, unknown>;
          expect(withoutProse(schema)).toEqual(withoutProse(published));
        }
      }
    },
  );

  test('are served where they say', async () => {
    for (const { $id } of Object.values(bodySchemas))
      expect(await get(($id as string).slice(0, -1))).toMatchObject({ $id });
  });
});

describe('the older dialect', () => {
  testWithShared('spec/api-seed.json', 'has the published methods', async () => {
    const { paths } = (await get('/openapi.json')) as {
      paths: Record<string, Record<string, { operationId: string }>>;
    };
    const published = (shared('spec/api-seed.json') as { entries: Entry[] }).entries;
    for (const { name, method, route } of published) {
      const path = `/v1${route.replaceAll(/:([a-zA-Z]+)(\(\*\))?/g, '{$1}')}`;
      expect({ path, operation: paths[path]?.[method as string]?.operationId }).toEqual({
        path,
        operation: `${name}_v1`,
      });
    }
  });
});

describe('the reference of the change messages', () => {
  test('is the one that the official client was made from, but for its prose', async () => {
    const published = apis['AuthEvents']!.reference as { entries: Entry[] };
    const document = (await get('/references/auth/v1/exchanges.json')) as { entries: Entry[] };
    const structure = (of: { entries: Entry[] }) => ({
      ...of,
      title: '',
      description: '',
      entries: of.entries.map((entry) => ({
        ...entry,
        title: '',
        description: '',
        routingKey: (entry['routingKey'] as object[]).map((word) => ({ ...word, summary: '' })),
      })),
    });
    expect(structure(document)).toEqual(structure(published));
  });

  test('names schemas that are served', async () => {
    const { entries } = (await get('/references/auth/v1/exchanges.json')) as { entries: Entry[] };
    for (const { schema } of entries)
      expect(await get(`/schemas/auth/${String(schema).slice(0, -1)}`)).toMatchObject({
        $id: `/schemas/auth/${String(schema)}`,
      });
  });
});

describe('the AsyncAPI document', () => {
  test('is valid, and says where every event is published', async () => {
    const document = (await get('/asyncapi.json')) as AsyncapiDocument;
    expect(asyncapiProblems(document)).toEqual([]);
    expect(Object.values(document.channels).map(({ address }) => address)).toEqual([
      'authledger.events',
      'authledger.messages',
    ]);
    expect(Object.keys(document.channels['events']!.messages)).toEqual(Object.keys(eventSchemas));
  });

  test('would not be valid with a mistake in it', async () => {
    const document = (await get('/asyncapi.json')) as AsyncapiDocument;
    expect(asyncapiProblems({ ...document, channels: { events: { title: 5 } as never } })).not.toEqual([]);
  });
});

test("the schemas of the events' data are served where their names say, and can be used", async () => {
  const ajv = new Ajv();
  addFormats.default(ajv);
  for (const type of Object.keys(eventSchemas)) {
    const schema = (await get(eventSchemaPath(type))) as { $id: string };
    expect(schema.$id).toBe(eventSchemaName(type));
    expect(ajv.compile(schema)({ nothing: true })).toBe(false);
  }
});

test('the OpenAPI document is valid, and every operation has a name of its own', async () => {
  const document = (await get('/openapi.json')) as {
    paths: Record<string, Record<string, { operationId: string }>>;
  };
  const result = await new Validator().validate(structuredClone(document));
  expect(result).toMatchObject({ valid: true });
  const ids = Object.values(document.paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId),
  );
  expect(new Set(ids).size).toBe(ids.length);
});

test('what is nowhere is answered with an error in the form of the API', async () => {
  const response = await fetch(`${service.rootUrl}/nowhere`);
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ code: 'ResourceNotFound', requestInfo: {} });
});

test('browsers of any origin may call it', async () => {
  const response = await fetch(`${service.rootUrl}/api/auth/v1/ping`, {
    method: 'OPTIONS',
    headers: { origin: 'https://example.com' },
  });
  expect(response.status).toBe(204);
  expect(response.headers.get('access-control-allow-origin')).toBe('*');
});
