#!/usr/bin/env node
import { Command } from 'commander';
import { configCommand } from './cli/config.ts';
import { copyCommand } from './cli/copy.ts';
import { demoCommand } from './cli/demo.ts';
import { exportCommand } from './cli/export.ts';
import { historyCommand } from './cli/history.ts';
import { importCommand } from './cli/import.ts';
import { keysCommand } from './cli/keys.ts';
import { projectionsCommand } from './cli/projections.ts';
import { publishCommand } from './cli/publish.ts';
import { purgeExpiredCommand } from './cli/purgeExpired.ts';
import { rootCommand } from './cli/root.ts';
import { serveCommand } from './cli/serve.ts';
import { describeFailure } from './cli/failure.ts';
import { handleOutputErrors } from './cli/output.ts';
import { SERVICE_VERSION } from './process/version.ts';

const program = new Command('authledger')
  .description(
    'An auth service that speaks the Taskcluster Auth API and whose database is a log.\n' +
      'Settings come from the environment; `authledger config` prints them. Every command works on a DATA_DIR while a\n' +
      'service runs on it.',
  )
  .version(SERVICE_VERSION)
  .showHelpAfterError()
  .addCommand(serveCommand())
  .addCommand(demoCommand())
  .addCommand(importCommand())
  .addCommand(exportCommand())
  .addCommand(historyCommand())
  .addCommand(copyCommand())
  .addCommand(projectionsCommand())
  .addCommand(keysCommand())
  .addCommand(rootCommand())
  .addCommand(publishCommand())
  .addCommand(purgeExpiredCommand())
  .addCommand(configCommand());

handleOutputErrors();
try {
  await program.parseAsync();
} catch (error) {
  console.error(describeFailure(error));
  process.exitCode = 1;
}
