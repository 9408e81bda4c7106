import { AsyncLocalStorage } from 'node:async_hooks';
import { format } from 'node:util';
import { type DestinationStream, type LoggerOptions, type Logger as PinoLogger, pino } from 'pino';
import { v7 as uuidv7 } from 'uuid';

/** The process's log. Structured, one JSON object a line, secrets redacted by name. */
export type Logger = PinoLogger;

const correlation = new AsyncLocalStorage<string>();

/** Names under which secrets travel; wherever one appears in what is logged, its value is replaced. */
export const SECRET_NAMES = [
  'authorization',
  'cookie',
  'set-cookie',
  'clientSecret',
  'client_secret',
  'clientState',
  'client_assertion',
  'credential',
  'password',
  'secret',
  'accessToken',
  'access_token',
  'refreshToken',
  'refresh_token',
  'idToken',
  'id_token',
  'code_verifier',
  'sealed',
  'apiKey',
  'adminKey',
  'databaseUrl',
  'connectionString',
] as const;

const secretNames = new Set<string>(SECRET_NAMES.map((name) => name.toLowerCase()));
/** Finds the lines that may hold a secret, so that the others cost no more than this look. */
const SUSPICIOUS = new RegExp(`"(?:${SECRET_NAMES.join('|')}|query)":`, 'i');
const REDACTED = '[redacted]';

/** Makes the process's log. `destination` is for tests that read what was written. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options: LoggerOptions = {
    level,
    base: null,
    mixin: () => {
      const correlationId = correlation.getStore();
      return correlationId === undefined ? {} : { correlationId };
    },
    hooks: { streamWrite: withoutSecrets },
  };
  return destination ? pino(options, destination) : pino(options);
}

/**
 * Makes lines of the log out of what libraries print with `console` (Kysely does when a query was cut off), so that every
 * line of the process is JSON. Returns what takes it back.
 */
export function adoptConsole(logger: Logger): () => void {
  const { debug, info, log, warn, error } = console;
  const adopt = (...printed: unknown[]) => logger.info({ component: 'console' }, format(...printed));
  Object.assign(console, { debug: adopt, info: adopt, log: adopt, warn: adopt, error: adopt });
  return () => {
    Object.assign(console, { debug, info, log, warn, error });
  };
}

/** Works on the written line: it reaches every depth, errors and the bindings of children alike. */
function withoutSecrets(line: string): string {
  if (!SUSPICIOUS.test(line)) return line;
  return `${JSON.stringify(JSON.parse(line, redact))}\n`;
}

function redact(name: string, value: unknown): unknown {
  if (secretNames.has(name.toLowerCase())) return REDACTED;
  // In a query `code` is OAuth's, a secret; anywhere else it is an error's, a diagnosis.
  const isOAuthAnswer = name === 'query' && typeof value === 'object' && value !== null && 'code' in value;
  return isOAuthAnswer ? { ...value, code: REDACTED } : value;
}

/** Runs `work` under a correlation id that every log line inside carries; makes a new id when none is given. */
export function withCorrelation<T>(correlationId: string | undefined, work: () => T): T {
  return correlation.run(correlationId ?? uuidv7(), work);
}

/** The id of the request or job that runs, or undefined outside of one. */
export function currentCorrelationId(): string | undefined {
  return correlation.getStore();
}
