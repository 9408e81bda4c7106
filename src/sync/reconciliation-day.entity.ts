import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import { type ReconciledFolder, Reconciliation } from './reconciliation.entity.ts';

/**
 * The figures of one folder and day (UTC, by the time when Exchange received the mail). In the watched and the archive
 * folder: listed = stored + ignored + failed + unrelated + (missing - repaired). Written by reconcile-ledger.ts only.
 */
export const ReconciliationDaySchema = defineEntity({
  name: 'ReconciliationDay',
  tableName: 'reconciliation_day',
  filters: organizationFilter,
  properties: {
    id: baseProperties.id,
    organization: organizationProperty(),
    reconciliation: () => p.manyToOne(Reconciliation).ref(),
    folder: p.string().$type<ReconciledFolder>(),
    /** Such as `2026-11-21`. */
    date: p.date(),
    listed: p.integer().default(0),
    stored: p.integer().default(0),
    ignored: p.integer().default(0),
    failed: p.integer().default(0),
    unrelated: p.integer().default(0),
    missing: p.integer().default(0),
    repaired: p.integer().default(0),
  },
});

export class ReconciliationDay extends ReconciliationDaySchema.class {}
ReconciliationDaySchema.setClass(ReconciliationDay);
