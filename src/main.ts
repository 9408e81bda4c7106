import { type Config, readConfig } from './config.ts';
import { ExpectedError, toError } from './errors.ts';
import { adoptConsole, createLogger, type Logger } from './platform/logger.ts';
import { onStopSignal } from './platform/stop-signals.ts';

const USAGE = `Usage:
  npm start                              starts Deskgraph
  npm run migrate                        brings the database up to date and ends
  npm run organization -- create NAME    makes another organization and prints the key of its OWNER
`;

async function main(): Promise<void> {
  const [command, ...rest] = process.argv.slice(2);
  const config = readConfig();
  const logger = createLogger(config.logLevel);
  if (command === undefined) return serve(config, logger);
  // Imported where they are needed: a mistake in the settings or the command is told at once, and not after seconds of
  // reading what is not going to run.
  if (command === 'migrate') {
    const { migrateCommand } = await import('./commands.ts');
    return migrateCommand(config, logger);
  }
  if (command === 'organization' && rest[0] === 'create' && rest[1]) {
    const { createOrganizationCommand } = await import('./commands.ts');
    return createOrganizationCommand(config, logger, rest.slice(1).join(' '));
  }
  process.stderr.write(USAGE);
  process.exitCode = 2;
}

/** Runs until a signal: the first stops in good order, the second at once. */
async function serve(config: Config, logger: Logger): Promise<void> {
  adoptConsole(logger);
  // Signals are heard from the beginning: one that comes during the start waits for it, and leaves no database behind.
  const starting = import('./app.ts').then(({ createApp }) => createApp(config, logger));
  let isStopping = false;
  const stop = (reason: string, exitCode: number) => {
    if (isStopping) return;
    isStopping = true;
    logger.info({ reason }, 'stopping');
    starting
      .then((app) => app[Symbol.asyncDispose]())
      .then(
        () => process.exit(exitCode),
        () => process.exit(1),
      );
  };
  onStopSignal((signal) => stop(signal, 0));
  // What nobody caught leaves the process in a state that nobody knows: stop, and say so with the exit code.
  const crash = (thrown: unknown) => {
    logger.fatal({ err: toError(thrown) }, 'an error that nobody caught');
    stop('uncaught error', 1);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
  const app = await starting;
  if (app.mintedKey !== null) {
    process.stdout.write(
      `\nThe API key of the OWNER, shown this once. Keep it safe:\n\n  ${app.mintedKey}\n\n`,
    );
  }
  logger.info({ url: app.url, roles: [...config.roles] }, 'ready');
}

main().catch((thrown: unknown) => {
  const error = toError(thrown);
  const text =
    error instanceof ExpectedError ? `${error.message}\n${error.remedy}` : (error.stack ?? error.message);
  process.stderr.write(`${text}\n`);
  process.exit(1);
});
