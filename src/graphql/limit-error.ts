import { GraphQLError } from 'graphql';

/** What is over a documented limit. */
export function limitError(what: string, found: number, limit: number): GraphQLError {
  return new GraphQLError(`The request has ${found} ${what}; at most ${limit} are allowed.`, {
    extensions: {
      code: 'LIMIT_EXCEEDED',
      remedy: 'Ask for less at a time, or split the request.',
      http: { status: 400 },
    },
  });
}
