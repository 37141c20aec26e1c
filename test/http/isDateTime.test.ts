import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isDateTime } from '../../src/http/isDateTime.ts';

describe('a date', () => {
  test.each([
    '2030-01-01T00:00:00Z',
    '2030-01-01t00:00:00.123456z',
    '2030-01-01 00:00:00+05:30',
    '2024-02-29T00:00:00Z',
    '0000-01-01T00:00:00Z',
    '0000-01-01T00:00:00-01:00',
    '9999-12-31T23:59:59.999Z',
    '9999-12-31T23:59:59+01:00',
  ])('can be %s', (text) => {
    expect(isDateTime(text)).toBe(true);
  });

  test.each([
    ['without a zone', '2030-01-01T00:00:00'],
    ['without a time', '2030-01-01'],
    ['a year', '2020'],
    ['in words', 'Jan 5 2021'],
    ['of no form at all', 'tomorrow'],
    ['empty', ''],
    ['in February’s 30th day', '2030-02-30T00:00:00Z'],
    ['a leap second', '2020-01-01T23:59:60Z'],
    ['in the year 10000 of UTC', '9999-12-31T23:59:59-01:00'],
    ['in the year -1 of UTC', '0000-01-01T00:00:00+01:00'],
    ['in a year of more digits', '+010000-01-01T00:00:00.000Z'],
    ['read as one of another century', '0049-01-01 00:00:00Z'],
  ])('cannot be %s', (_, text) => {
    expect(isDateTime(text)).toBe(false);
  });

  test('is what it says, and is told in four digits of a year', () => {
    const two = (most: number) => fc.integer({ min: 0, max: most }).map((n) => String(n).padStart(2, '0'));
    const zone = fc.oneof(
      fc.constantFrom('Z', 'z'),
      fc
        .tuple(fc.constantFrom('+', '-'), two(23), fc.constantFrom(':', ''), two(59))
        .map((all) => all.join('')),
    );
    const year = fc.oneof(fc.integer({ min: 0, max: 9999 }), fc.constantFrom(0, 1, 49, 99, 9998, 9999));
    fc.assert(
      fc.property(
        fc.tuple(year, two(13), two(32), fc.constantFrom('T', 't', ' '), two(24), two(60), two(61), zone),
        ([y, month, day, separator, hour, minute, second, end]) => {
          const digits = String(y).padStart(4, '0');
          const text = `${digits}-${month}-${day}${separator}${hour}:${minute}:${second}${end}`;
          if (!isDateTime(text)) return;
          const said = new Date(`${digits}-${month}-${day}T${hour}:${minute}:${second}Z`).getTime();
          const [, sign, hours, minutes] = /^([+-])(\d\d):?(\d\d)$/.exec(end) ?? ['', '+', '0', '0'];
          const ahead = (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1);
          expect(new Date(text).getTime()).toBe(said - ahead);
          expect(new Date(text).toJSON()).toMatch(/^\d{4}-/);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
