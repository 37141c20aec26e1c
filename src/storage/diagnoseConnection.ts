import { isIP, isIPv6 } from 'node:net';
import { connect, type ConnectionOptions } from 'node:tls';

/** How long (ms) a connection may take. Whoever waits for the diagnosis has already waited for a driver. */
const TIME_LIMIT = 1000;

/** Codes of OpenSSL and Node for an answer that is not TLS. */
const NOT_TLS = /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|UNKNOWN_PROTOCOL|HTTP_REQUEST|RECORD_TOO_SMALL/;

export type Endpoint = { host: string; port: number };
/** How the driver checks and shows certificates; undefined if it connects without TLS. */
export type TlsSettings = ConnectionOptions | undefined;

/**
 * What is wrong with a connection: the server cannot be reached, does not speak TLS (`plain`) or perhaps does not
 * (`silent`), speaks TLS with a driver that does not (`tls`), shows a certificate that the driver does not accept, or
 * ends the handshake. `message` is one line, and holds no secret.
 */
export type Finding = {
  kind: 'unreachable' | 'plain' | 'silent' | 'tls' | 'certificate' | 'handshake';
  message: string;
};

type Attempt = {
  reached: 'nothing' | 'port' | 'tls';
  error?: NodeJS.ErrnoException;
  isCertificateRefused: boolean;
};

/**
 * Finds out why a driver cannot connect, with one short connection of Node's own to each of the endpoints. Resolves to
 * the first finding in the order of the endpoints, or to undefined if all connections are as the driver needs them.
 */
export async function diagnoseConnection(
  endpoints: readonly Endpoint[],
  tls: TlsSettings,
): Promise<Finding | undefined> {
  const findings = await Promise.all(
    endpoints.map(async (endpoint) => findingOf(endpoint, { tls, ...(await tryToConnect(endpoint, tls)) })),
  );
  return findings.find((finding) => finding !== undefined);
}

/** A TLS handshake even if the driver uses none: it shows whether the server speaks TLS, in the same connection. */
function tryToConnect({ host, port }: Endpoint, tls: TlsSettings): Promise<Attempt> {
  return new Promise((resolve) => {
    let reached: Attempt['reached'] = 'nothing';
    const socket = connect({
      host,
      port,
      ...(isIP(host) === 0 && { servername: host }),
      ...(tls ?? { rejectUnauthorized: false }),
    });
    const end = (error?: NodeJS.ErrnoException): void => {
      clearTimeout(timer);
      // Undefined or null while a certificate was not refused, whatever the types say.
      const isCertificateRefused = Boolean(socket.authorizationError);
      resolve({ reached, isCertificateRefused, ...(error && { error }) });
      socket.destroy();
    };
    const timer = setTimeout(
      () => end(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
      TIME_LIMIT,
    );
    socket.once('connect', () => (reached = 'port'));
    socket.once('secureConnect', () => {
      reached = 'tls';
      end();
    });
    socket.on('error', end);
  });
}

function findingOf(
  { host, port }: Endpoint,
  { tls, reached, error, isCertificateRefused }: Attempt & { tls: TlsSettings },
): Finding | undefined {
  const server = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const code = error?.code ?? '';
  if (reached === 'nothing') return { kind: 'unreachable', message: whyUnreachable({ host, server, code }) };
  if (tls === undefined)
    return reached === 'tls' ? { kind: 'tls', message: `${server} speaks TLS` } : undefined;
  if (reached === 'tls') return undefined;
  const words = firstLine(error?.message ?? '');
  if (isCertificateRefused)
    return { kind: 'certificate', message: `the certificate of ${server} is not accepted: ${words}` };
  if (NOT_TLS.test(code) || /wrong version number/.test(words))
    return { kind: 'plain', message: `${server} does not speak TLS` };
  return code === 'ECONNRESET' || code === 'ETIMEDOUT'
    ? { kind: 'silent', message: `${server} completes no TLS handshake: perhaps it does not speak TLS` }
    : { kind: 'handshake', message: `the TLS handshake with ${server} failed: ${words}` };
}

function whyUnreachable({ host, server, code }: { host: string; server: string; code: string }): string {
  switch (code) {
    case 'ECONNREFUSED':
      return `nothing listens at ${server}`;
    case 'ENOTFOUND':
      return `there is no host of the name ${host}`;
    case 'EAI_AGAIN':
      return `the name ${host} could not be looked up (EAI_AGAIN)`;
    case 'ETIMEDOUT':
      return `${server} does not answer`;
    default:
      return `${server} cannot be reached (${code})`;
  }
}

/** OpenSSL's messages end with a line break. */
function firstLine(text: string): string {
  return text.trim().split('\n')[0]!;
}
