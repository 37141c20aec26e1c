import { expect, test } from '@jest/globals';
import { makeLogger, requestLog } from '../src/logger.ts';

test('an error is logged with its message and stack, and nothing that hangs on it', () => {
  const lines: string[] = [];
  const log = makeLogger({ level: 'trace', destination: { write: (line) => lines.push(line) } });
  const error = Object.assign(new Error('Bad mac'), {
    code: 'EBAD',
    credentials: { key: 'canary' },
    artifacts: { mac: 'canary' },
  });
  log.error({ err: error, authorization: 'canary', nested: { accessToken: 'canary' } }, 'it failed');
  log.error({ err: { token: 'canary' } }, 'it failed');
  const text = lines.join('');
  expect(text).not.toContain('canary');
  expect(JSON.parse(lines[0]!)).toMatchObject({
    level: 'error',
    msg: 'it failed',
    err: { message: 'Bad mac', code: 'EBAD', stack: expect.stringContaining('Bad mac') },
  });
});

test('the line of a request is the one that any other way of logging it would write', () => {
  const lines: string[] = [];
  const destination = { write: (line: string) => lines.push(line) };
  const log = makeLogger({ level: 'info', destination });
  for (const clientId of [undefined, 'a/client|"\\u00e9']) {
    const line = { requestId: 'r', method: 'ping', clientId, status: 200, durationMs: 0.25 };
    requestLog(log)(line);
    log.info(line, 'request');
    requestLog(makeLogger({ level: 'warn', destination }))(line);
  }
  const [one, same, other, alike] = lines.map((line) => {
    expect(line).toMatch(/\}\n$/);
    return { ...(JSON.parse(line) as { time: string }), time: '' };
  });
  expect(lines).toHaveLength(4);
  expect([one, other]).toEqual([same, alike]);
});
