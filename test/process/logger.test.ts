import { expect, test } from '@jest/globals';
import { makeLogger } from '../../src/process/logger.ts';

test('an error is logged with its message, code and stack, and without its other properties', () => {
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
