import pino, { type Logger, type LoggerOptions } from 'pino';

/** Fields that hold secrets wherever they are met. Nothing logs them; this is a second line of defence. */
const SECRET_FIELDS = ['authorization', 'accessToken', 'token', 'bewit', 'key', 'secret', 'credentials'];

/** Characters that are written at a time. */
const BUFFER_LENGTH = 8192;
/** How long (ms) a line waits for others. */
const WRITE_DELAY = 100;

/** An error as the log shows it. Other properties are left out: hawk, for one, attaches credentials to its errors. */
function shownError(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: typeof error };
  const { name, message, stack } = error;
  const { code } = error as NodeJS.ErrnoException;
  return { name, message, ...(code !== undefined && { code }), stack };
}

/** The service's log: JSON lines on standard output, or where `destination` says. */
export function makeLogger(settings: {
  level: string;
  destination?: { write(line: string): unknown };
}): Logger {
  const options: LoggerOptions = {
    level: settings.level,
    base: { pid: process.pid },
    timestamp: timeField(),
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: shownError },
    redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: '(not shown)' },
  };
  return pino(options, settings.destination ?? buffered(pino.destination({ sync: true })));
}

/** The time of a line. Many are written in one millisecond. */
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

/** Writes lines some at a time, at most WRITE_DELAY late, and what waits before the process ends. */
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
