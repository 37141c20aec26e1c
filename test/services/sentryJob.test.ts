import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { keyName } from '../../src/services/sentryApi.ts';
import { startService, type TestService } from '../startService.ts';
import { hours, managed, PREFIX, refuse, type SentryDouble, startWithSentry } from './sentryDouble.ts';

let double: SentryDouble;
let service: TestService;
beforeAll(async () => {
  ({ double, service } = await startWithSentry());
});
beforeEach(() => double.reset());
afterAll(async () => {
  await service.remove();
  await double.stop();
});

describe('the job that deletes expired keys at Sentry', () => {
  const job = () => service.service.jobs.find(({ name }) => name === 'delete-expired-sentry-keys')!;
  const run = (signal = new AbortController().signal) => job().run(signal);
  const names = (project: string) => double.projects.get(project)!.map(({ name }) => name);

  test('deletes the expired keys of all projects, and no other key', async () => {
    double.pageSize = 2;
    const kept = [
      'Default',
      managed(hours(1)),
      keyName('other', hours(-1)),
      keyName(`x${PREFIX}`, hours(-1)),
      `${managed(hours(-1))}.`,
      ` ${managed(hours(-1))}`,
      `${PREFIX} managed (expires-at:yesterday)`,
      `${PREFIX} managed (expires-at:2020-01-01)`,
      `${PREFIX} managed`,
    ];
    for (const project of ['a', 'b', 'c', 'd', 'e']) {
      double.projects.set(project, []);
      for (const name of [managed(hours(-1)), ...kept, managed(hours(-100))]) double.addKey(project, name);
    }
    expect(await run()).toBe(10);
    for (const project of ['a', 'b', 'c', 'd', 'e']) expect(names(project)).toEqual(kept);
    expect(await run()).toBe(0);
  });

  test('goes on where one project fails, which the log tells without words of Sentry', async () => {
    for (const project of ['a', 'b', 'c']) {
      double.projects.set(project, []);
      double.addKey(project, managed(hours(-1)));
    }
    double.instead = (what) => (what.includes('/b/') ? (_, response) => refuse(response, 403) : undefined);
    expect(await run()).toBe(2);
    expect(['a', 'b', 'c'].map((project) => names(project).length)).toEqual([0, 1, 0]);
    expect(service.logged()).toMatch(
      /"method":"delete-expired-sentry-keys","failure":{"name":"Error","status":403}/,
    );
    expect(service.logged()).not.toContain('canary');
  });

  test('leaves the rest to the next run when Sentry asks to wait, and when the service stops', async () => {
    for (let i = 0; i < 20; i += 1) double.projects.set(`p${i}`, []);
    double.instead = (what) => (what.includes('/keys/') ? (_, response) => refuse(response, 429) : undefined);
    expect(await run()).toBe(0);
    expect(double.requests.length).toBeLessThan(10);
    double.requests.length = 0;
    expect(await run(AbortSignal.abort())).toBe(0);
    expect(double.requests).toEqual([]);
  });

  test('runs in a service where it is configured', async () => {
    double.projects.set('p', []);
    const gone = new Promise<void>((resolve) => {
      double.instead = (what) => {
        if (what.startsWith('DELETE')) resolve();
        return undefined;
      };
    });
    double.addKey('p', managed(hours(-1)));
    const other = await startService({ SENTRY: JSON.stringify(double.setting()) });
    await gone;
    await other.remove();
  });
});
