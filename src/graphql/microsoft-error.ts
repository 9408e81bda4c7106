import type { ExpectedError } from '../errors.ts';
import { builder, errorType } from './builder.ts';

/** What Microsoft told with a refusal; null where it told nothing, or was not asked. */
export interface ToldByMicrosoft {
  microsoftCode?: string | null | undefined;
  requestId?: string | null | undefined;
}

/** An error type of refusals by Microsoft: with its code and the id that its support asks for, as `Problem` has them. */
export function microsoftErrorType<Refusal extends ExpectedError>(
  errorClass: new (...args: never[]) => Refusal,
  description: string,
  told: (error: Refusal) => ToldByMicrosoft,
): void {
  errorType(errorClass, description);
  const shown: new (...args: unknown[]) => ExpectedError = errorClass as new (...args: unknown[]) => Refusal;
  const toldOf = told as (error: ExpectedError) => ToldByMicrosoft;
  builder.objectFields(shown, (t) => ({
    microsoftCode: t.string({
      nullable: true,
      description: 'The code that Microsoft answered with, such as AADSTS50011 or ErrorAccessDenied.',
      resolve: (error) => toldOf(error).microsoftCode ?? null,
    }),
    requestId: t.string({
      nullable: true,
      description: "Microsoft's id of the request (correlation id), for its support.",
      resolve: (error) => toldOf(error).requestId ?? null,
    }),
  }));
}
