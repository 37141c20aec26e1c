import { expect, test } from '@jest/globals';
import pino from 'pino';
import { watchOutage } from '../../src/process/outage.ts';

function watched(options?: { once: boolean }) {
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  const messages = (): string[] => lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
  return { outage: watchOutage(log, 'it fails', options), messages };
}

test.each([undefined, { once: true }])(
  'an outage is logged when it begins and when it is over: %p',
  (options) => {
    const { outage, messages } = watched(options);
    for (let i = 0; i < 3; i += 1) outage.failed(new Error('the same'));
    expect(outage.isOngoing()).toBe(true);
    outage.ended();
    outage.ended();
    expect(messages()).toEqual(['it fails: trying again until it works', 'it fails: it works again']);
    outage.failed(new Error('the same'));
    expect(messages()).toHaveLength(3);
  },
);

test('where an outage is logged once, another cause is logged, too', () => {
  const { outage, messages } = watched({ once: true });
  for (const cause of ['one', 'one', 'another', 'another']) outage.failed(new Error(cause));
  expect(messages()).toHaveLength(2);
});
