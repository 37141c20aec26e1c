import pino, { type Logger, type LoggerOptions } from 'pino';

/** Fields that hold secrets. No code logs them; redacting them is defence in depth. */
const SECRET_FIELDS = ['authorization', 'accessToken', 'token', 'bewit', 'key', 'secret', 'credentials'];

/** The buffer is written when it holds this many characters. */
const BUFFER_LENGTH = 8192;
/** How long (ms) a line stays in the buffer at most. */
const WRITE_DELAY = 100;

/**
 * The serialized form of an error. Other properties are omitted: hawk, for example, attaches credentials to its errors.
 */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: typeof error };
  const { name, message, stack } = error;
  const { code } = error as NodeJS.ErrnoException;
  return { name, message, ...(code !== undefined && { code }), stack };
}

/** The service's logger: writes JSON lines to standard output, or to `destination`. */
export function makeLogger(settings: {
  level: string;
  destination?: { write(line: string): unknown };
}): Logger {
  const options: LoggerOptions = {
    level: settings.level,
    base: { pid: process.pid },
    timestamp: timeField(),
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: serializeError },
    redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: '(not shown)' },
  };
  return pino(options, settings.destination ?? buffered(pino.destination({ sync: true })));
}

/** The time field of a line, cached because many lines are written in one millisecond. */
function timeField(): () => string {
  let at = 0;
  let field = '';
  return () => {
    const now = Date.now();
    if (now !== at) {
      at = now;
      field = `,"time":"${new Date(now).toISOString()}"`;
    }
    return field;
  };
}

/** Buffers lines for at most WRITE_DELAY, and flushes them when the process exits. */
function buffered(destination: { write(lines: string): unknown }) {
  let buffer = '';
  let timer: NodeJS.Timeout | undefined;
  function flushSync(): void {
    clearTimeout(timer);
    timer = undefined;
    const lines = buffer;
    buffer = '';
    if (lines !== '') destination.write(lines);
  }
  process.once('exit', flushSync);
  return {
    write(line: string): void {
      buffer += line;
      if (buffer.length >= BUFFER_LENGTH) flushSync();
      else timer ??= setTimeout(flushSync, WRITE_DELAY).unref();
    },
    flushSync,
  };
}
