// The one place that imports the types of every domain: each adds itself to the builder. A forgotten line shows in
// schema/schema.graphql, which a test compares.
import '../access/access.graphql.ts';
import '../microsoft365/integrations.graphql.ts';
import './errors.graphql.ts';
import './problem.graphql.ts';
import { builder } from './builder.ts';

/** The schema of the API. */
export const schema = builder.toSchema();
