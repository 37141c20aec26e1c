import { describe, expect, test } from '@jest/globals';
import { ApiError } from '../../src/domain/errors.ts';
import { errorBody } from '../../src/http/errorBody.ts';
import { insufficientScopes } from '../../src/http/insufficientScopes.ts';
import { inWordsOfOptions, refusalText } from '../../src/cli/refusalText.ts';

const messageOf = (error: ApiError): string => {
  const request = { method: 'whoCan', params: {}, payload: {}, time: '2026-11-28T00:00:00.000Z' };
  return (errorBody(error, request) as { message: string }).message;
};

describe('the text of a refusal', () => {
  test('is without what the reply repeats of the request', () => {
    expect(refusalText(messageOf(new ApiError('InputError', 'a\n\nb')))).toBe('a\n\nb');
  });

  test('names the missing scopes only, whatever they contain', () => {
    const scopes = ['a b', 'c```d', '---'];
    expect(refusalText(messageOf(insufficientScopes({ clientId: 'x' }, scopes, { AllOf: scopes })))).toBe(
      'client x does not have sufficient scopes; it is missing: a b, c```d, ---',
    );
  });

  test.each([
    ['at must not be in the future: it is 2026', '--at must not be in the future: it is 2026'],
    [
      'http://x refused history: from must not be after to',
      'http://x refused history: FROM must not be after TO',
    ],
    ['the log has not come to the position 1 in at', 'the log has not come to the position 1 in --at'],
    ['query parameter "at" must match ^x$', '--at must match ^x$'],
    ['constructor must be at least at', 'constructor must be at least at'],
  ])('%s: says parameters in the words of the command line', (message, said) => {
    expect(inWordsOfOptions(message, { at: '--at', from: 'FROM', to: 'TO' })).toBe(said);
  });
});
