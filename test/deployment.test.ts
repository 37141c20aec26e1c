import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { DCLinter } from 'dclint';
import { parse } from 'yaml';
import { readConfig } from '../src/config/config.ts';
import { STATIC_CLIENTS } from './startService.ts';
import { guardedServices } from '../src/services/guardedServices.ts';

const root = new URL('..', import.meta.url).pathname;
const file = join(root, 'docker-compose.yml');
type Service = { image?: string; build?: string; environment?: Record<string, string>; healthcheck?: object };
const { services } = parse(readFileSync(file, 'utf8'), { merge: true }) as {
  services: Record<string, Service>;
};
const nodes = Object.entries(services).filter(([name]) => name.startsWith('node-'));

describe('docker-compose.yml', () => {
  test('is what Docker Compose takes', () => {
    // The order of keys is a matter of taste.
    const rules = {
      'service-keys-order': 0,
      'services-alphabetical-order': 0,
      'top-level-properties-order': 0,
    } as const;
    const linter = new DCLinter({ rules, quiet: false, debug: false, exclude: [] });
    const results = linter.lintFiles([file], false) as { messages: { message: string }[] }[];
    const found = results.flatMap(({ messages }) => messages);
    expect(found.map(({ message }) => message)).toEqual([]);
  });

  test('starts three nodes with settings that go together', () => {
    expect(nodes).toHaveLength(3);
    const keys = JSON.stringify([{ id: 'k', key: Buffer.alloc(32).toString('base64') }]);
    for (const [, { environment, build }] of nodes) {
      expect(build).toBe('.');
      const env = { ...environment, SECRET_KEYS: keys, STATIC_CLIENTS };
      const { eventStoreUrl, readStoreUrl, kafka } = readConfig(guardedServices, env);
      const hosts = [eventStoreUrl, readStoreUrl].map((url) => new URL(url!).hostname);
      expect([...hosts, kafka!.brokers[0]!.split(':')[0]]).toEqual(['kurrentdb', 'mongodb', 'kafka']);
    }
  });

  test('names the version of each server, and says when it is healthy', () => {
    const servers = Object.values(services).filter(({ image }) => image !== undefined);
    expect(servers).toHaveLength(3);
    for (const { image, healthcheck } of servers) {
      expect(image).toMatch(/:\d+\.\d+(\.\d+)?$/);
      expect(healthcheck).toBeDefined();
    }
  });
});

test('a container is judged by whether it answers: one that can change nothing can still authenticate', () => {
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
  expect(dockerfile).toMatch(/^HEALTHCHECK .*\\\n.*\/api\/auth\/v1\/__lbheartbeat__'/m);
  for (const [, { healthcheck }] of nodes) expect(healthcheck).toBeUndefined();
});

test('a container tells nothing to the unsigned', () => {
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
  const set = /^ENV (.*)$/m
    .exec(dockerfile)![1]!
    .split(' ')
    .map((each) => each.split('='));
  expect(readConfig(guardedServices, Object.fromEntries(set) as Record<string, string>).readAccess).toBe(
    'guarded',
  );
});

test('the Dockerfile builds from folders that are there, on a Node that package.json allows', () => {
  const lines = readFileSync(join(root, 'Dockerfile'), 'utf8').split('\n');
  const copied = lines.flatMap((line) => /^COPY (?!--from)(.*) \S+$/.exec(line)?.[1]?.split(' ') ?? []);
  const { include } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')) as { include: string[] };
  expect(copied).toEqual(expect.arrayContaining(['package.json', 'tsconfig.json', ...include]));
  const node = lines.flatMap((line) => /^FROM node:(\d+)\.(\d+)/.exec(line)?.slice(1).map(Number) ?? []);
  expect(node.length).toBe(4);
  for (let at = 0; at < node.length; at += 2)
    expect(node[at]! > 20 || (node[at] === 20 && node[at + 1]! >= 19)).toBe(true);
});
