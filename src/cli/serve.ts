import { Command } from 'commander';
import { isLoopback, readConfig } from '../config.ts';
import { makeLogger } from '../logger.ts';
import { serve } from '../serve.ts';
import { FileGone } from '../watchFiles.ts';
import { untilSignal } from './untilSignal.ts';
import { welcome } from './welcome.ts';
import { isWorker, serveWithWorkers, work } from './workers.ts';

/** `authledger serve`: what `npm start` runs. */
export function serveCommand(): Command {
  return new Command('serve').description('start the service').action(start);
}

async function start(): Promise<void> {
  const config = readConfig();
  const log = makeLogger({ level: config.logLevel });
  if (isWorker(config)) return work(config, log);
  if (config.readAccess === undefined && !isLoopback(config.host)) {
    log.warn(
      'anybody who reaches this service can read clients and roles at /v1: READ_ACCESS=guarded asks for scopes there too',
    );
  }
  const serving = await (config.workers > 1 ? serveWithWorkers : serve)(config, { log });
  log.info({ port: serving.port, rootUrl: serving.rootUrl, dataDir: config.dataDir }, 'serving');
  // To stderr as plain text, so that the log on stdout holds no secret.
  process.stderr.write(welcome(serving.rootUrl, config, serving.madeRoot));
  const ending = await Promise.race([untilSignal(), serving.filesGone]);
  if (ending instanceof FileGone) {
    process.exitCode = 1;
    log.fatal({ file: ending.file }, ending.message);
  } else log.info({ signal: ending }, 'stopping: no further request is taken, those under way are answered');
  await serving.stop();
  log.info('stopped');
}
