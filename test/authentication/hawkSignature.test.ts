import { createSecretKey } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import hawk from 'hawk';
import type { SignedRequest } from '../../src/authentication/signedRequest.ts';
import { readSignature, refusalMessage, verifySignature } from '../../src/authentication/hawkSignature.ts';

const KEY = 'the-token-of-the-client-0123456789';
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 100);
const key = createSecretKey(KEY, 'utf8');
const credentials = { key: KEY, algorithm: 'sha256' } as const;
const seconds = (): number => Math.floor(Date.now() / 1000);

type Verdict = { id: string; ext?: string; hash?: string } | { refused: string };

async function ours(request: SignedRequest): Promise<Verdict> {
  try {
    const signature = readSignature(request)!;
    const hash = await verifySignature(request, signature, { key, now: new Date() });
    return { id: signature.id, ext: signature.ext, hash };
  } catch (error) {
    return { refused: refusalMessage(error) };
  }
}

/** The verdict of hawk, with the signed timestamp if it accepts the request. */
async function hawks(request: SignedRequest): Promise<{ verdict: Verdict; ts?: string }> {
  const { method, resource, host, port, authorization } = request;
  try {
    const { artifacts } = await hawk.server.authenticate(
      { method: method.toUpperCase(), url: resource, host, port, authorization },
      async () => credentials,
      { timestampSkewSec: 15 * 60 },
    );
    const { id, ext, hash, ts } = artifacts;
    return { verdict: { id, ext, hash }, ts };
  } catch (error) {
    return { verdict: { refused: refusalMessage(error) } };
  }
}

const value = fc.stringMatching(/^[ !#-[\]-~]{1,20}$/);
const requests = fc
  .record({
    method: fc.constantFrom('get', 'GET', 'Post', 'PUT'),
    resource: fc.constantFrom(
      '/',
      '/v1/task/a?b=c&d',
      '/with%20space',
      'http://other.example/path',
      'relative',
    ),
    host: fc.constantFrom('queue.example.com', 'Queue.Example.COM', '127.0.0.1'),
    port: fc.constantFrom(80, 443, 8080),
    id: value,
    nonce: value,
    ext: fc.option(value, { nil: undefined }),
    hash: fc.option(value, { nil: undefined }),
    app: fc.option(value, { nil: undefined }),
    late: fc.constantFrom(0, -880, 880, -930, 930),
  })
  .map(({ method, resource, host, port, id, nonce, ext, hash, app, late }) => {
    const path = resource.startsWith('/') ? resource : '/path';
    const { header } = hawk.client.header(`http://${host}:${port}${path}`, method.toUpperCase(), {
      credentials: { id, ...credentials },
      nonce,
      timestamp: seconds() + late,
      ...(ext !== undefined && { ext }),
      ...(hash !== undefined && { hash }),
      ...(app !== undefined && { app }),
    });
    return { method, resource, host: host.toLowerCase(), port, authorization: header };
  });

/** Mostly the first value, sometimes another. */
const mostly = <T>(usual: T, ...others: (T | fc.Arbitrary<T>)[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constant(usual) },
    ...others.map((each) => ({
      weight: 1,
      arbitrary: each instanceof fc.Arbitrary ? each : fc.constant(each),
    })),
  );
const now = (): string => String(seconds());

/** About as much as hawk takes here, or a little more. */
const long = fc.integer({ min: 16_100, max: 16_400 }).map((length) => 'a'.repeat(length));

/** Headers that clients do not write, of any form, mostly signed as hawk would sign what is in them. */
const strange = fc
  .record({
    method: fc.constantFrom('get', 'GET', 'Post', 'PUT'),
    resource: mostly(
      '/a?b=c',
      fc.constantFrom('', '//x/y', 'relative', 'http://o.example/p?q', `/${'a'.repeat(5000)}`),
      fc.string({ unit: 'grapheme' }).map((text) => `/${text}`),
    ),
    host: fc.constantFrom('Queue.Example.COM', '[::1]', '::1', '1.2.3.4', '', 'xn--a', '\u0130x', 'h:80'),
    port: fc.constantFrom(0, 80, 443, 65535),
    id: mostly<string | undefined>('id', value, fc.constantFrom('ts', ' x ', 'a, b="c', 'é', '', undefined)),
    ts: mostly<(() => string) | undefined>(
      now,
      fc.constantFrom('', '-5', 'never', '1e999', ' ', '9'.repeat(13)).map((text) => () => text),
      fc.constantFrom('.5', ' ', 'x', 'e0').map((more) => () => now() + more),
      fc.constantFrom('0', '00000', ' ').map((more) => () => more + now()),
      fc.integer({ min: -2000, max: 2000 }).map((late) => () => String(seconds() + late)),
      undefined,
    ),
    nonce: mostly<string | undefined>('nonce', value, fc.string({ maxLength: 5 }), undefined),
    ext: mostly<string | undefined>(undefined, value, fc.string({ maxLength: 5 }), 'a'.repeat(3900), long),
    hash: mostly<string | undefined>(undefined, value, ''),
    app: mostly<string | undefined>(undefined, value),
    dlg: mostly<string | undefined>(undefined, value),
    mac: mostly<string | undefined>(undefined, value, fc.base64String({ minLength: 44, maxLength: 44 })),
    more: mostly('', 'x="v"', 'ID="v"', 'constructor="v"', '__proto__="v"', 'id="again"', 'mac=""', 'ts=1'),
    start: mostly('Hawk ', 'hawk ', 'HAWK  ', 'Hawk\t', 'Hawk', 'Basic ', ' Hawk ', ''),
    separator: mostly(', ', ',', ' , ', ',\n', ';', ' '),
    end: mostly('', ',', ' ', 'x', '\n'),
    by: mostly(0, fc.nat(6)),
  })
  .map(({ method, resource, host, port, start, separator, end, by, more, ts: makeTs, ...given }) => {
    const { id, nonce, hash, ext, app, dlg } = given;
    const ts = makeTs?.();
    const request = { method, resource, host, port };
    const signed = { ...request, method: method.toUpperCase(), id, ts, nonce, hash, ext, app, dlg };
    const mac = given.mac ?? hawk.crypto.calculateMac('header', credentials, signed);
    const parts = Object.entries({ id, ts, nonce, hash, ext, mac, app, dlg })
      .filter(([, text]) => text !== undefined)
      .map(([name, text]) => `${name}="${text}"`);
    if (more !== '') parts.push(more);
    const turned = [...parts.slice(by), ...parts.slice(0, by)];
    return { ...request, authorization: start + turned.join(separator) + end };
  });

/** One character of a header changed, removed or put in. */
const altered = fc
  .tuple(requests, fc.nat(), fc.constantFrom('', 'A', '"', '\\', ',', ' ', '=', 'é', '\n'), fc.nat(1))
  .map(([request, where, character, removed]) => {
    const header = request.authorization;
    const at = where % header.length;
    return { ...request, authorization: header.slice(0, at) + character + header.slice(at + removed) };
  });

const shuffled = fc.tuple(requests, fc.nat(3)).map(([request, by]) => {
  const parts = request.authorization.slice('Hawk '.length).split(/, (?=\w+=")/);
  const turned = [...parts.slice(by), ...parts.slice(0, by)];
  return { ...request, authorization: `hawk ${turned.join(by % 2 ? ',' : ', ')}` };
});

/** What hawk says of headers that it cannot read. Of long ones, not all of it is said here, as hawk takes long to find it. */
const unreadable =
  /^(Invalid header|Bad header|Header length|Unknown attr|Bad attr|Duplicate attr|the Authorization header)/;
function isUnreadable({ authorization }: SignedRequest, verdict: Verdict): boolean {
  return authorization!.length > 1024 && 'refused' in verdict && unreadable.test(verdict.refused);
}

describe('a Hawk header is judged as the hawk library judges it', () => {
  it.each<[string, fc.Arbitrary<SignedRequest & { authorization: string }>]>([
    ['as clients write it', requests],
    ['altered in one character', altered],
    ['with its attributes in another order', shuffled],
    ['of any form, signed well or not', strange],
  ])('%s', async (_, arbitrary) => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(arbitrary, async (request) => {
        const { verdict, ts } = await hawks(request);
        // The one rule that is stricter than hawk's: to hawk, what is not a number is never too old.
        const isTimeless = Number.isNaN(Number(ts ?? 0));
        const expected = isTimeless ? { refused: expect.stringMatching(/^ts in/) } : verdict;
        const words = { refused: expect.stringMatching(unreadable) };
        expect(await ours(request)).toEqual(isUnreadable(request, verdict) ? words : expected);
        if ('id' in expected) accepted += 1;
      }),
      { numRuns: RUNS },
    );
    expect(accepted).toBeGreaterThan(RUNS / 50);
  });

  it('with or without the brackets of an IPv6 literal', async () => {
    let accepted = 0;
    const toAddresses = strange.filter(({ host }) => host.includes('::'));
    await fc.assert(
      fc.asyncProperty(toAddresses, async (request) => {
        const host = request.host === '::1' ? '[::1]' : '::1';
        const verdict = await ours(request);
        expect(await ours({ ...request, host })).toEqual(verdict);
        expect(await ours({ ...request, host: '::2' })).toHaveProperty('refused');
        if ('id' in verdict) accepted += 1;
      }),
      { numRuns: RUNS },
    );
    expect(accepted).toBeGreaterThan(RUNS / 50);
  });

  it('where the mac spells the same bytes in another way', async () => {
    const [request] = fc.sample(
      requests.filter(({ resource }) => resource.startsWith('/')),
      1,
    );
    const header = request!.authorization;
    const last = header.at(-3)!;
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
    const other = alphabet[alphabet.indexOf(last) ^ 1]!;
    const authorization = `${header.slice(0, -3)}${other}="`;
    const changed = { ...request!, authorization };
    expect(await ours(changed)).toEqual((await hawks(changed)).verdict);
    expect(await ours(changed)).toHaveProperty('refused');
  });

  it('and a well signed one of each kind is accepted', async () => {
    const accepted = await Promise.all(fc.sample(requests, 200).map(ours));
    expect(accepted.filter((verdict) => 'id' in verdict).length).toBeGreaterThan(20);
  });
});

describe('a malformed header of 16 KiB is refused soon', () => {
  const fill = (start: string, unit: string, end = ''): string =>
    start + unit.repeat(Math.floor((16_384 - start.length - end.length) / unit.length)) + end;

  // At a third of a second and more for each, as hawk takes for some of them, these would take minutes.
  it.each([
    ['one word', fill('Hawk ', 'a')],
    ['one value', fill('Hawk ext="', 'a')],
    ['words', fill('Hawk ', 'a=')],
    ['quotes', fill('Hawk ', 'a="')],
    ['spaces behind the scheme', fill('Hawk ', ' ', 'x\ny')],
    ['spaces behind an attribute', fill('Hawk a="b"', ' ', ',\nb="c"')],
    ['line ends', fill('Hawk', '\n', 'x')],
    ['commas', fill('Hawk a=""', ',')],
    ['attributes', fill('Hawk ', 'a="b",', 'c')],
    ['another scheme', fill('Bearer ', 'a')],
  ])('that is of %s', async (_, authorization) => {
    const request = { method: 'get', resource: '/', host: 'h', port: 80, authorization };
    for (let i = 0; i < 300; i += 1) expect(await ours(request)).toHaveProperty('refused');
  });
});
