import { AsyncLocalStorage } from 'node:async_hooks';
import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';
import { v7 as uuidv7 } from 'uuid';

/** The process's log. Structured, one JSON object a line, secrets redacted by name. */
export type Logger = PinoLogger;

const correlation = new AsyncLocalStorage<string>();

/** Names under which secrets travel; wherever one appears in a logged object, its value is replaced. */
const SECRET_NAMES = [
  'authorization',
  'cookie',
  'clientSecret',
  'client_secret',
  'clientState',
  'credential',
  'password',
  'secret',
  'accessToken',
  'access_token',
  'refreshToken',
  'refresh_token',
  'idToken',
  'id_token',
  'code',
  'code_verifier',
  'sealed',
  'apiKey',
] as const;

/** Makes the process's log. `destination` is for tests that read what was written. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    mixin: () => {
      const correlationId = correlation.getStore();
      return correlationId === undefined ? {} : { correlationId };
    },
    redact: {
      // `code` at the top level and in errors is an error's code (a diagnosis, not a secret); nested ones are OAuth codes.
      paths: SECRET_NAMES.flatMap((name) =>
        name === 'code' ? ['*.query.code', 'query.code'] : [name, `*.${name}`, `*.*.${name}`],
      ),
      censor: '[redacted]',
    },
  };
  return destination ? pino(options, destination) : pino(options);
}

/** Runs `work` under a correlation id that every log line inside carries; makes a new id when none is given. */
export function withCorrelation<T>(correlationId: string | undefined, work: () => T): T {
  return correlation.run(correlationId ?? uuidv7(), work);
}

/** The id of the request or job that runs, or undefined outside of one. */
export function currentCorrelationId(): string | undefined {
  return correlation.getStore();
}
