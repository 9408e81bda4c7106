import type { Desk } from '../support/app.ts';

/** A rule as the tests read it. */
export interface RuleAnswer {
  __typename: string;
  code?: string;
  message?: string;
  deletedMailRuleId?: string;
  mailRule: {
    id: string;
    name: string;
    position: number;
    enabled: boolean;
    match: string;
    stop: boolean;
    conditions: { field: string; operator: string; value: string | null; negated: boolean }[];
    actions: {
      group: { id: string; name: string } | null;
      priority: string | null;
      tags: string[];
      assignee: { id: string } | null;
      ignore: boolean;
    };
    problem: { code: string; message: string } | null;
  };
}

const RULE = `id name position enabled match stop
  conditions { field operator value headerName bytes negated }
  actions { group { id name } priority tags assignee { id } ignore } problem { code message remedy since }`;

/** Sends `createMailRule`, `updateMailRule`, `moveMailRule` or `deleteMailRule`. */
export async function mutateRule(
  desk: Pick<Desk, 'request'>,
  name: string,
  input: Record<string, unknown>,
): Promise<RuleAnswer> {
  const type = name.charAt(0).toUpperCase() + name.slice(1);
  const fields = name === 'deleteMailRule' ? 'deletedMailRuleId' : `mailRule { ${RULE} }`;
  const answer = await desk.request<Record<string, RuleAnswer>>(
    `mutation ($input: ${type}Input!) { ${name}(input: $input) { __typename
       ... on ${type}Payload { ${fields} } ... on Error { code message } } }`,
    { input },
  );
  return answer[name] as RuleAnswer;
}

/** Makes a rule about the subject `word`, unless told otherwise. */
export async function makeRule(
  desk: Pick<Desk, 'request'>,
  name: string,
  input: Record<string, unknown> = {},
): Promise<RuleAnswer['mailRule']> {
  const made = await mutateRule(desk, 'createMailRule', {
    name,
    conditions: [{ field: 'SUBJECT', operator: 'CONTAINS', value: 'word' }],
    actions: { tags: [name] },
    ...input,
  });
  if (!made.mailRule) throw new Error(made.message);
  return made.mailRule;
}

/** The rules in their order. */
export async function rulesOf(desk: Pick<Desk, 'request'>): Promise<RuleAnswer['mailRule'][]> {
  const { mailRules } = await desk.request<{ mailRules: { edges: { node: RuleAnswer['mailRule'] }[] } }>(
    `{ mailRules(first: 100) { edges { node { ${RULE} } } } }`,
  );
  return mailRules.edges.map(({ node }) => node);
}

/** Makes a group and gives its id. */
export async function makeGroup(desk: Pick<Desk, 'request'>, name: string): Promise<string> {
  const { createGroup } = await desk.request<{ createGroup: { group: { id: string } } }>(
    'mutation ($name: String!) { createGroup(input: { name: $name }) { ... on CreateGroupPayload { group { id } } } }',
    { name },
  );
  return createGroup.group.id;
}

/** Archives a group, or takes it back. */
export async function archiveGroup(
  desk: Pick<Desk, 'request'>,
  groupId: string,
  archived = true,
): Promise<void> {
  await desk.request('mutation ($input: UpdateGroupInput!) { updateGroup(input: $input) { __typename } }', {
    input: { groupId, archived },
  });
}
