import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Command } from 'commander';
import { eventSchemas } from '../schemas/events/eventSchemas.ts';
import { ERROR_CODES } from '../src/domain/errors.ts';
import { EXCHANGE_PREFIX, exchanges } from '../src/messageBus/exchanges.ts';
import { guardedServices } from '../src/services/guardedServices.ts';
import { startService } from './startService.ts';

const root = join(import.meta.dirname, '..');
const filesIn = (folder: string, ending: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name}`)
    .sort();
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...filesIn('docs', '.md')];
/** Those that are read one after another, in no order. */
const chapters = pages.filter((page) => /^docs\/([^/]*|decisions\/README)\.md$/.test(page));
const FENCED = /^( *)```.*\n[^]*?^\1```$/gm;

/** A page's links to other pages and files, as paths in the checkout. A link may hold line breaks and code. */
function linksOf(page: string): { path: string; anchor: string | undefined }[] {
  const prose = read(page)
    .replaceAll(FENCED, '')
    .replaceAll(/`[^`]*`/g, 'code');
  return [...prose.matchAll(/\]\(([^)\s]+)\)|^\[[^\]]+\]:\s*(\S+)/gm)]
    .map((match) => (match[1] ?? match[2])!)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path, anchor] = target.split('#') as [string, string?];
      return { path: path === '' ? page : relative(root, join(root, dirname(page), path)), anchor };
    });
}

/** The anchors that GitHub makes of a page's headings. */
function anchorsOf(page: string): Set<string> {
  const seen = new Map<string, number>();
  const headings = read(page)
    .replaceAll(FENCED, '')
    .matchAll(/^#{1,6} (.*)$/gm);
  return new Set(
    [...headings].map(([, heading]) => {
      const text = heading!.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
      const slug = text.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-');
      const before = seen.get(slug) ?? 0;
      seen.set(slug, before + 1);
      return before === 0 ? slug : `${slug}-${before}`;
    }),
  );
}

describe('the pages', () => {
  test.each(pages)('every link of %s leads to a file or a heading that is there', (page) => {
    const broken = linksOf(page).filter(
      ({ path, anchor }) =>
        path.startsWith('..') ||
        !existsSync(join(root, path)) ||
        (anchor !== undefined && !(path.endsWith('.md') && anchorsOf(path).has(anchor))),
    );
    expect(broken).toEqual([]);
  });

  test('are all reached by following what each says is next, in the order in which the README lists them', () => {
    const listed = linksOf('README.md').filter(({ path, anchor }) => !anchor && chapters.includes(path));
    const order = [...new Set(listed.map(({ path }) => path))];
    const followed: string[] = [];
    for (let page: string | undefined = 'README.md'; page !== undefined;) {
      const next: string | undefined = /\n\nNext: \[[^\]]+\]\(([^)]+)\)\n$/.exec(read(page))?.[1];
      page = next && relative(root, join(root, dirname(page), next));
      if (page === undefined || followed.includes(page)) break;
      followed.push(page);
    }
    expect([...followed].sort()).toEqual([...chapters].sort());
    expect(order).toEqual(followed);
  });

  test.each(['README.md', ...chapters])('%s begins with a title, then says what it is for', (page) => {
    expect(read(page)).toMatch(/^# [^\n]+\n\n[A-Z][^\n]/);
  });

  test.each(pages)('the tables of %s fit a screen', (page) => {
    const rows = read(page).match(/^\|.*$/gm) ?? [];
    expect(rows.filter((row) => row.length > 140)).toEqual([]);
  });

  test('the README is under 250 lines and 12 KB', () => {
    expect(read('README.md').split('\n').length).toBeLessThan(250);
    expect(Buffer.byteLength(read('README.md'))).toBeLessThan(12 * 1024);
  });

  test('all decisions are in their list', () => {
    const decisions = filesIn('docs/decisions', '.md').filter((file) => !file.endsWith('README.md'));
    const listed = linksOf('docs/decisions/README.md').map(({ path }) => path);
    expect(decisions.filter((decision) => !listed.includes(decision))).toEqual([]);
  });
});

/** Every environment variable that the configuration reads, as its source declares and names them. */
function variablesRead(): string[] {
  const sources = filesIn('src', '.ts').map(read).join('\n');
  const found = (pattern: RegExp): string[] => [...sources.matchAll(pattern)].map((match) => match[1]!);
  const services = guardedServices.map(({ variable }) => variable);
  const inFiles = found(/\breadSettingFiles\(\w+, \[([^\]]*)\]/g)
    .flatMap((names) => [...names.matchAll(/'(\w+)'/g)].map((match) => match[1]!))
    .concat(services);
  return [
    ...new Set([
      ...found(/^ +([A-Z][A-Z0-9_]+): setting\(/gm),
      ...found(/\benv(?:\.|\[')([A-Z][A-Z0-9_]+)\b/g),
      ...services,
      ...inFiles.map((name) => `${name}_FILE`),
    ]),
  ].sort();
}

/** Commands with their options, as those of `src/cli` are declared: `keys rotate`, `history --json`. */
async function commandsDeclared(): Promise<string[]> {
  const modules: Record<string, unknown>[] = [];
  // One after another: jest does not load modules that share others at once.
  for (const file of filesIn('src/cli', '.ts'))
    modules.push((await import(join(root, file))) as Record<string, unknown>);
  const makers = modules.flatMap((module) =>
    Object.entries(module).flatMap(([name, value]) =>
      /Command$/.test(name) ? [value as () => Command] : [],
    ),
  );
  const namesIn = (command: Command, before = ''): string[] => {
    const name = `${before}${command.name()}`;
    const options = command.options.map((option) => `${name} ${option.long}`);
    return [name, ...options, ...command.commands.flatMap((each) => namesIn(each, `${name} `))];
  };
  return makers.flatMap((make) => namesIn(make()));
}

describe('documented is', () => {
  test('every environment variable that is read, and no other', () => {
    const defined = read('docs/configuration.md')
      .match(/^- `[A-Z][A-Z0-9_]+`.*$/gm)!
      .flatMap((line) =>
        [...line.split(' (')[0]!.matchAll(/`([A-Z][A-Z0-9_]+)`/g)].map((match) => match[1]!),
      );
    const variables = variablesRead();
    expect(variables.length).toBeGreaterThan(60);
    expect(defined.sort()).toEqual(variables);
  });

  test('every command, with its options', async () => {
    // What is in bold names the command; its options are items below it.
    const items = read('docs/command-line.md').split(/^- (?=\*\*)/m);
    const documented = (name: string): boolean => {
      const [command, option] = name.split(' --') as [string, string?];
      const item = items.find((each) => new RegExp(`^[^\\n]*\\*\\*\`${command}[ \`]`).test(each));
      return item !== undefined && (option === undefined || item.includes(`--${option}`));
    };
    const commands = await commandsDeclared();
    expect(commands).toEqual(expect.arrayContaining(['serve', 'keys rotate', 'history --json']));
    // A command of others alone, such as `keys`, does nothing by itself.
    const done = commands.filter((name) => !commands.some((other) => new RegExp(`^${name} \\w`).test(other)));
    expect(done.filter((name) => !documented(name))).toEqual([]);
  });

  test('every method of all dialects, with its route', async () => {
    const service = await startService();
    try {
      const { paths } = (await (await fetch(`${service.rootUrl}/openapi.json`)).json()) as {
        paths: Record<string, Record<string, { operationId: string }>>;
      };
      const methods = Object.entries(paths).flatMap(([path, operations]) =>
        Object.entries(operations).map(([verb, { operationId }]) => {
          const route = path.replace(/^\/(api\/auth(ledger)?\/)?v1/, '').replaceAll(/\{(\w+)\}/g, '<$1>');
          return { name: operationId.replace(/_v1$/, ''), route: `${verb.toUpperCase()} \`${route}\`` };
        }),
      );
      expect(methods.length).toBeGreaterThan(50);
      const rows = read('docs/api.md').match(/^\|.*$/gm)!;
      const missing = methods.filter(
        ({ name, route }) =>
          !rows.some((row) => row.includes(`| \`${name}\` `) && row.includes(`| ${route} `)),
      );
      expect(missing).toEqual([]);
    } finally {
      await service.remove();
    }
  });

  test('every error code', () => {
    const page = read('docs/api.md');
    expect(ERROR_CODES.filter((code) => !page.includes(`| \`${code}\` `))).toEqual([]);
  });

  test('every guarded service, with its methods', () => {
    const page = read('docs/guarded-services.md');
    const names = guardedServices.flatMap(({ variable, endpoints }) => [
      variable,
      ...endpoints.map(({ name }) => name),
    ]);
    expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });

  test('every type of event, and every exchange', () => {
    const page = read('docs/events.md');
    const names = [
      ...Object.keys(eventSchemas),
      ...exchanges.map(({ exchange }) => EXCHANGE_PREFIX + exchange),
    ];
    expect(names.filter((name) => !page.includes(`| \`${name}\` `))).toEqual([]);
  });
});
