import { describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { ApiError } from '../../src/domain/errors.ts';
import { askThirdParty } from '../../src/services/askThirdParty.ts';

const secret = 'canary-of-a-third-party';

/** The result of a call with a time limit of 50 ms, and its log lines. */
async function asked(ask: (signal: AbortSignal) => Promise<unknown>) {
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const asking = { service: 'tiny', method: 'tinyToken', incidentId: 'incident-1', log };
  const outcome: unknown = await askThirdParty(ask, asking, 50).catch((error: unknown) => error);
  expect(JSON.stringify([outcome, (outcome as Error).message, lines])).not.toContain(secret);
  return { outcome, line: lines.length > 0 ? (JSON.parse(lines[0]!) as object) : undefined };
}

describe('asking a third party', () => {
  test('gives its answer', async () => {
    expect(await asked(async () => 'an answer')).toEqual({ outcome: 'an answer', line: undefined });
  });

  test.each([
    ['ignores the signal', () => new Promise<never>(() => undefined)],
    [
      'ends with an error of its own at the signal',
      (signal: AbortSignal) =>
        new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Error(secret)))),
    ],
  ])('that is too slow and %s is GatewayTimeout with an incident id', async (_, ask) => {
    const { outcome, line } = await asked(ask);
    expect(outcome).toMatchObject({ code: 'GatewayTimeout', message: expect.stringContaining('incident-1') });
    expect(line).toMatchObject({ incidentId: 'incident-1', service: 'tiny', method: 'tinyToken' });
  });

  test('that fails is BadGateway, of which the log has names and numbers only', async () => {
    const cause = Object.assign(new Error(secret), { code: 'ECONNREFUSED' });
    const error = Object.assign(new Error(secret, { cause }), {
      name: 'ThrottlingException',
      code: `${secret} in a code`,
      body: secret,
      $metadata: { httpStatusCode: 429 },
    });
    const { outcome, line } = await asked(async () => Promise.reject(error));
    expect(outcome).toMatchObject({ code: 'BadGateway', message: expect.stringContaining('incident-1') });
    expect(line).toMatchObject({
      incidentId: 'incident-1',
      failure: {
        name: 'ThrottlingException',
        code: '(not shown)',
        status: 429,
        cause: { name: 'Error', code: 'ECONNREFUSED' },
      },
    });
  });

  test('that throws at once, or no error, has failed too', async () => {
    const throwing = (): never => {
      throw new TypeError(secret);
    };
    expect((await asked(throwing)).outcome).toMatchObject({ code: 'BadGateway' });
    expect((await asked(() => Promise.reject(secret))).outcome).toMatchObject({ code: 'BadGateway' });
  });

  test('has failed too where the error is its own cause, or has a code that cannot be written', async () => {
    const error: Error & { code?: unknown } = new Error(secret);
    Object.assign(error, { cause: error, code: Object.create(null) as object });
    const { outcome, line } = await asked(() => Promise.reject(error));
    expect(outcome).toMatchObject({ code: 'BadGateway' });
    expect(line).toMatchObject({ failure: { name: 'Error', code: '(not shown)', cause: { name: 'Error' } } });
  });

  test('lets an error through that says more', async () => {
    const error = new ApiError('TooManyRequests', 'ask less often');
    expect(await asked(async () => Promise.reject(error))).toEqual({ outcome: error, line: undefined });
  });
});
