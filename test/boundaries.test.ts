import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const root = new URL('..', import.meta.url).pathname;
const files = ['src', 'commands', 'projections', 'schemas'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map((name) => `${folder}/${name}`),
);
const sources = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));

function importsOf(file: string): string[] {
  const found = sources
    .get(file)!
    .matchAll(/^(?:import|export)\s[^;]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gms);
  return [...found].map((match) => match[1] ?? match[2] ?? match[3]!);
}

const importersOf = (what: RegExp): string[] =>
  files.filter((file) => importsOf(file).some((name) => what.test(name)));

/** The layers, from bottom to top: each imports only from those below it, types included. */
const LAYERS = [
  'src/event.ts',
  'src/projection.ts',
  'schemas',
  'projections',
  'src/domain',
  'src/command.ts',
  'commands',
  'src/process',
  'src/config',
  'src/storage',
  'src/nonceStore',
  'src/secretStore',
  'src/eventStore',
  'src/readStore',
  'src/messageBus',
  'src/readSide',
  'src/writeSide',
  'src/staticClients',
  'src/authentication',
  'src/publisher',
  'src/http',
  'src/services',
  'src/api',
  'src/jobs',
  'src/transfer',
  'src/compose.ts',
  'src/cli',
  'src/main.ts',
];

function layerOf(file: string): number {
  const layer = LAYERS.findIndex((name) => file === name || file.startsWith(`${name}/`));
  if (layer < 0) throw new Error(`${file} is in no layer: give its folder a place in LAYERS`);
  return layer;
}

describe('boundaries', () => {
  test('each layer imports only from those below it', () => {
    const upward = files.flatMap((file) =>
      importsOf(file)
        .filter((name) => name.startsWith('.'))
        .map((name) => normalize(join(dirname(file), name)))
        .filter((imported) => layerOf(imported) > layerOf(file))
        .map((imported) => `${file} -> ${imported}`),
    );
    expect(upward).toEqual([]);
  });

  test('every layer is there', () => {
    const found = new Set(files.map(layerOf));
    expect(LAYERS.filter((_, layer) => !found.has(layer))).toEqual([]);
  });

  test('the rules, commands and projections import no package and no node: module, but for data structures', () => {
    const structures = ['lru-cache'];
    const isPure = (file: string, name: string): boolean =>
      name.startsWith('.') || (file.startsWith('src/domain/') && structures.includes(name));
    const pure = files.filter((file) => /^(src\/domain|commands|projections|schemas)\//.test(file));
    expect(pure.length).toBeGreaterThan(20);
    for (const file of pure)
      expect({ file, outside: importsOf(file).filter((name) => !isPure(file, name)) }).toEqual({
        file,
        outside: [],
      });
  });

  test('each driver is imported in one file only', () => {
    expect(importersOf(/^better-sqlite3$/)).toEqual(['src/storage/openSqlite.ts']);
    expect(importersOf(/^kafkajs$/)).toEqual(['src/messageBus/openKafka.ts']);
    expect(importersOf(/^express$/)).toEqual(['src/http/documentsApp.ts']);
    expect(importersOf(/^jose$/)).toEqual(['src/services/signJwt.ts']);
    expect(importersOf(/^mongodb$/)).toEqual(['src/storage/openMongo.ts']);
    expect(importersOf(/^@kurrent\//)).toEqual(['src/eventStore/openKurrent.ts']);
    expect(
      importersOf(/^pino$/).filter((file) => !/import type [^;]*from 'pino'/.test(sources.get(file)!)),
    ).toEqual(['src/process/logger.ts']);
  });

  test('the SDK of a guarded service is loaded when it is first needed', () => {
    const outside = files
      .filter((file) => file.startsWith('src/services/'))
      .flatMap((file) => [
        ...sources.get(file)!.matchAll(/^import\s(?!type\b)[^;]*?from\s+'([^.'][^']*)'/gms),
      ])
      .map((match) => match[1]!);
    expect(
      outside.filter((name) => !name.startsWith('node:') && !['lru-cache', 'uuid'].includes(name)),
    ).toEqual([]);
  });

  test('each package of a guarded service is imported in its file only, and loaded when it is first used', () => {
    const packages = (file: string): string[] => importsOf(file).filter((name) => !/^\.|^node:/.test(name));
    const ofServices = files.filter((file) => file.startsWith('src/services/'));
    const used = [...new Set(ofServices.flatMap(packages))].filter(
      (name) => !['lru-cache', 'pino', 'uuid'].includes(name),
    );
    expect(used.length).toBeGreaterThan(3);
    for (const name of used) {
      const importers = files.filter((file) => packages(file).includes(name));
      expect({ name, importers }).toEqual({ name, importers: [expect.stringMatching(/^src\/services\//)] });
      const isLoadedAtStart = new RegExp(`^import (?!type )[^;]*from '${name}'`, 'm');
      expect(sources.get(importers[0]!)).not.toMatch(isLoadedAtStart);
    }
  });

  test('only compose.ts knows concrete adapters', () => {
    expect(importersOf(/\/(memory|sqlite|mongo|kurrent)[A-Z]\w*Store\.ts$/)).toEqual(['src/compose.ts']);
    expect(importersOf(/\/(memory|kafka)MessageBus\.ts$/)).toEqual(['src/compose.ts']);
  });

  test('only config reads the environment', () => {
    const readers = files.filter((file) => /process\.env/.test(sources.get(file)!));
    expect(readers.filter((file) => !file.startsWith('src/config/'))).toEqual([]);
    expect(readers).toContain('src/config/config.ts');
  });

  test('query endpoints reach the log through projections only', () => {
    const queries = files.filter((file) =>
      /^src\/api\/(audit|scopes|roles|monitoring|authentication)\b/.test(file),
    );
    expect(queries.length).toBeGreaterThan(4);
    for (const file of [
      ...queries.filter((file) => !/backendHealth/.test(file)),
      'src/authentication/resolveSigner.ts',
    ])
      expect(sources.get(file)).not.toMatch(/eventStore/);
  });

  test('no file has a name that says nothing', () => {
    expect(files.filter((file) => /(^|\/)(utils?|helpers?|common|types|index|misc)\.ts$/.test(file))).toEqual(
      [],
    );
  });
});
