import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { sessionPolicy } from '../../src/services/awsS3.ts';

/**
 * Whether a text matches an IAM pattern: `*` matches any characters, `?` matches one, and `${*}`, `${?}` and `${$}`
 * match the character in them. The value of any other variable is not under our control, so there must be none.
 */
function matches(pattern: string, value: string): boolean {
  if (pattern === '') return value === '';
  const [, special, variable] = /^\$\{(?:([*?$])\}|(.*))/.exec(pattern) ?? [];
  if (variable !== undefined) throw new Error(`the policy has a variable: ${pattern}`);
  if (special !== undefined) return value[0] === special && matches(pattern.slice(4), value.slice(1));
  const first = pattern[0];
  if (first === '*') {
    for (let i = 0; i <= value.length; i += 1) if (matches(pattern.slice(1), value.slice(i))) return true;
    return false;
  }
  return value !== '' && (first === '?' || first === value[0]) && matches(pattern.slice(1), value.slice(1));
}

type Policy = {
  Statement: [{ Resource: string }, { Condition: { StringLike: { 's3:prefix': string } } }, object];
};
const policyFor = (prefix: string): Policy =>
  JSON.parse(sessionPolicy({ level: 'read-write', bucket: 'bucket', prefix })) as Policy;

const character = fc.constantFrom('a', 'b', '*', '?', '$', '{', '}', '/', ':', '"', '\\', 'é', '😀');
const key = fc.string({ unit: character, maxLength: 8 });
/** Includes the syntax of variables, which must not reach IAM unescaped. */
const prefix = fc
  .array(fc.oneof(key, fc.constantFrom('${*}', '${aws:username}', '${$}', '${?}', '${')), { maxLength: 3 })
  .map((parts) => parts.join(''));
/** A prefix, and a key that begins with something similar. */
const both = prefix.chain((text) =>
  fc.tuple(
    fc.constant(text),
    fc.oneof(
      key,
      key.map((rest) => text + rest),
      fc.tuple(fc.nat(text.length), key).map(([at, other]) => text.slice(0, at) + other + text.slice(at + 1)),
      key.map((other) => text.replaceAll(/\$\{.*?\}|[*?]/g, () => other)),
    ),
  ),
);

describe("a session's policy", () => {
  test('is what one writes by hand', () => {
    const policy = (level: 'read-only' | 'read-write') =>
      JSON.parse(sessionPolicy({ level, bucket: 'my.bucket', prefix: 'a/b' })) as unknown;
    const others = [
      {
        Effect: 'Allow',
        Action: 's3:ListBucket',
        Resource: 'arn:aws:s3:::my.bucket',
        Condition: { StringLike: { 's3:prefix': 'a/b*' } },
      },
      { Effect: 'Allow', Action: 's3:GetBucketLocation', Resource: 'arn:aws:s3:::my.bucket' },
    ];
    const Resource = 'arn:aws:s3:::my.bucket/a/b*';
    expect(policy('read-only')).toEqual({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: ['s3:GetObject'], Resource }, ...others],
    });
    expect(policy('read-write')).toEqual({
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Action: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'], Resource },
        ...others,
      ],
    });
  });

  test('writes wildcards and variables of the prefix as the characters that they are', () => {
    const [objects, list] = policyFor('a*/?${aws:username}$').Statement;
    const under = 'a${*}/${?}${$}{aws:username}${$}*';
    expect(objects.Resource).toBe(`arn:aws:s3:::bucket/${under}`);
    expect(list.Condition.StringLike['s3:prefix']).toBe(under);
  });

  test('allows the keys that begin with the prefix, whatever is in it, and no others', () => {
    fc.assert(
      fc.property(both, ([text, name]) => {
        const [objects, list] = policyFor(text).Statement;
        const isUnder = name.startsWith(text);
        expect(matches(objects.Resource, `arn:aws:s3:::bucket/${name}`)).toBe(isUnder);
        expect(matches(list.Condition.StringLike['s3:prefix'], name)).toBe(isUnder);
        expect(matches(objects.Resource, `arn:aws:s3:::other/${text}${name}`)).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });

  test('is ASCII, in which the others are escaped', () => {
    const text = sessionPolicy({ level: 'read-only', bucket: 'bucket', prefix: 'é😀' });
    expect(text).toMatch(/^[ -~]+$/);
    expect((JSON.parse(text) as Policy).Statement[0].Resource).toBe('arn:aws:s3:::bucket/é😀*');
  });
});
