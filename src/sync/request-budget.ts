import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { Account } from '../microsoft365/account.entity.ts';
import { budgetKey } from '../microsoft365/graph-budget-key.ts';
import { Integration } from '../microsoft365/integration.entity.ts';
import { type RequestBudget, readBudgets } from '../microsoft365/read-budgets.ts';
import { batching } from '../platform/batching.ts';

/** Reads the budget of a mailbox of the organization; undefined when there is no such mailbox. Four statements for many. */
export const readRequestBudget = batching<string, RequestBudget>(async (em, mailboxIds) => {
  const mailboxes = await em.find(Mailbox, { id: { $in: [...mailboxIds] } });
  const accounts = await em.find(Account, {
    id: { $in: mailboxes.flatMap(({ account }) => account?.id ?? []) },
  });
  const integrations = await em.find(Integration, {
    id: { $in: accounts.map(({ integration }) => integration.id) },
  });
  const accountOf = new Map(accounts.map((account) => [account.id, account]));
  const integrationOf = new Map(integrations.map((integration) => [integration.id, integration]));
  const keyOf = new Map<string, string>();
  for (const { id, account, emailAddress } of mailboxes) {
    const { integration, microsoftTenantId: tenantId } = accountOf.get(account?.id ?? '') ?? {};
    const { clientId } = integrationOf.get(integration?.id ?? '') ?? {};
    if (clientId && tenantId) keyOf.set(id, budgetKey({ clientId, tenantId, emailAddress }));
  }
  const budgets = await readBudgets(em, [...keyOf.values()]);
  return new Map(
    [...keyOf].flatMap(([id, key]) => {
      const budget = budgets.get(key);
      return budget ? [[id, budget]] : [];
    }),
  );
});
