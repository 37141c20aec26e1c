import { describe, expect, jest, test } from '@jest/globals';
import { ConfigError } from '../../src/config/configError.ts';
import { openKurrent } from '../../src/eventStore/openKurrent.ts';

const SECRET = 'a-secret-password';

describe('the address of a KurrentDB server', () => {
  test('may be of any of its schemes, with a cluster, options, and a user', async () => {
    const printed = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
    for (const scheme of ['kurrentdb', 'kdb', 'esdb'])
      for (const rest of [
        '://db.example.com',
        '://db.example.com:2113/?tls=false',
        `://user:${SECRET}@a:2113,b:2113,c:2113?tls=true&nodePreference=follower`,
        `+discover://user:${SECRET}@cluster.example.com:2113?tls-verify-cert=false&keepAliveInterval=20000`,
      ])
        await openKurrent(scheme + rest).close();
    expect(printed).not.toHaveBeenCalled();
    printed.mockRestore();
  });

  test('that is wrong is refused without showing it, in the error or on the terminal', () => {
    const printed = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
    for (const wrong of [
      `http://user:${SECRET}@h:2113`,
      `kurrentdb://user:${SECRET}@h:port`,
      `kurrentdb://user:${SECRET}/@h:2113`,
      `kurrentdb://user:${SECRET}@h:2113?unheard=1`,
      `kurrentdb://user:${SECRET}@h:2113?tls=maybe`,
      `kurrentdb://user:${SECRET}@h:2113?throwOnAppendFailure=false`,
      `kurrentdb://user:${SECRET}@h:2113?tls`,
    ]) {
      let error: unknown;
      try {
        openKurrent(wrong);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(ConfigError);
      const shown = JSON.stringify({ ...(error as Error), ...Object(error) }) + (error as Error).stack;
      expect(shown).not.toContain(SECRET);
    }
    expect(printed).not.toHaveBeenCalled();
    printed.mockRestore();
  });

  test('that names a file that does not exist is refused, with the name of the option', () => {
    expect(() => openKurrent(`kurrentdb://user:${SECRET}@h:2113?tlsCAFile=%2Fno%2Fsuch.pem`)).toThrow(
      new ConfigError('the address of the KurrentDB server names a file as tlsCAFile that does not exist'),
    );
  });

  test('stands in no error of a server that cannot be reached', async () => {
    const kurrent = openKurrent(`kurrentdb://user:${SECRET}@127.0.0.1:1?tls=false`);
    const error: unknown = await kurrent
      .client()
      .appendToStream('s', [], { streamState: 'no_stream' })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect(String(error) + JSON.stringify(error)).not.toContain(SECRET);
    await kurrent.close();
  });
});
