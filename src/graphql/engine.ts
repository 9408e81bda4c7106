import type { Plugin } from '@envelop/core';
import { type Caller, executeOnce, executeStream } from './execution.ts';
import type { createMaskError } from './mask-error.ts';
import { parseDocument } from './parse-document.ts';
import type { Services } from './services.ts';
import { validateDocument } from './validate-document.ts';

/** What the engine needs. */
export interface EngineOptions {
  services: Services;
  maskError: ReturnType<typeof createMaskError>;
  /** Turns introspection off, and the hints that would give names of the schema away. */
  isProduction: boolean;
}

/**
 * How documents are parsed, checked and run, the same for HTTP, event streams and WebSockets. The transport puts a
 * {@link Caller} into the context and nothing else.
 */
export function createEngine({
  services,
  maskError,
  isProduction,
}: EngineOptions): Plugin<{ caller: Caller }> {
  return {
    onParse({ setParseFn }) {
      setParseFn(parseDocument);
    },
    onValidate({ setValidationFn }) {
      setValidationFn((schema, document) => validateDocument(schema, document, { isProduction }));
    },
    onExecute({ setExecuteFn }) {
      setExecuteFn((args) => executeOnce(args, { services, maskError, caller: args.contextValue.caller }));
    },
    onSubscribe({ setSubscribeFn }) {
      setSubscribeFn((args) =>
        executeStream(args, { services, maskError, caller: args.contextValue.caller }),
      );
    },
  };
}
