import { expect, test } from '@jest/globals';
import { OutcomeUnknown, StoreDamaged } from '../../src/storage/storeErrors.ts';
import { FileGone } from '../../src/storage/watchFiles.ts';
import { refusalOf } from '../../src/writeSide/appendRefusal.ts';

test('a change of unknown outcome names the file that went away, where one did', () => {
  const gone = new FileGone('/data/log.sqlite');
  expect(refusalOf(new OutcomeUnknown(gone.message, { cause: gone }))).toMatchObject({
    code: 'InternalServerError',
    message: expect.stringMatching(/may have been made or not.*\. log\.sqlite was removed or replaced/),
  });
  expect(refusalOf(new OutcomeUnknown('the server ended'))).toMatchObject({
    code: 'InternalServerError',
    message: expect.stringMatching(/may have been made or not, so look before you try again$/),
  });
});

test('a change that meets a damaged database is not asked to be tried again', () => {
  const { message } = refusalOf(new StoreDamaged('log.sqlite', 'malformed')) as Error;
  expect(message).toMatch(/^nothing was changed: a database is damaged/);
  expect(message).not.toMatch(/try again/);
});
