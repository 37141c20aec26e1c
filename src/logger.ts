import pino, { type Logger, type LoggerOptions } from 'pino';

/** Fields that hold secrets wherever they are met. Nothing logs them; this is a second line of defence. */
const SECRET_FIELDS = ['authorization', 'accessToken', 'token', 'bewit', 'key', 'secret', 'credentials'];

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
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: shownError },
    redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: '(not shown)' },
  };
  return pino(options, settings.destination ?? pino.destination({ minLength: 8192, periodicFlush: 100 }));
}

/** The same log for lines of which each field is known to hold no secret: looking for some takes most of their time. */
export function withoutRedaction(log: Logger): Logger {
  return log.child({}, { redact: { paths: [] } });
}
