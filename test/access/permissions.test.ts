import { expect, test } from 'vitest';
import { PERMISSIONS, type Permission, ROLES } from '../../src/access/permissions.ts';

test('the matrix of roles and permissions is the one that was reviewed', () => {
  const permissions = (Object.keys(PERMISSIONS) as Permission[]).sort();
  const lines = permissions.map((permission) => {
    const holders: readonly string[] = PERMISSIONS[permission];
    const marks = ROLES.map((role) => (holders.includes(role) ? role : '-').padEnd(7)).join('');
    return `${permission.padEnd(24)}${marks}`.trimEnd();
  });
  expect(lines.join('\n')).toMatchInlineSnapshot(`
    "api-key:manage          OWNER  ADMIN  -      -
    group:manage            OWNER  ADMIN  -      -
    group:read              OWNER  ADMIN  AGENT  VIEWER
    inbound-message:read    OWNER  ADMIN  -      -
    inbound-message:retry   OWNER  ADMIN  -      -
    integration:manage      OWNER  ADMIN  -      -
    integration:read        OWNER  ADMIN  -      -
    mail-rule:manage        OWNER  ADMIN  -      -
    mail-rule:read          OWNER  ADMIN  -      -
    mailbox:manage          OWNER  ADMIN  -      -
    mailbox:read            OWNER  ADMIN  AGENT  VIEWER
    organization:manage     OWNER  ADMIN  -      -
    organization:read       OWNER  ADMIN  AGENT  VIEWER
    outbound-message:manage OWNER  ADMIN  AGENT  -
    outbound-message:read   OWNER  ADMIN  AGENT  VIEWER
    sync:run                OWNER  ADMIN  -      -
    template:manage         OWNER  ADMIN  -      -
    ticket:create           OWNER  ADMIN  AGENT  -
    ticket:delete           OWNER  ADMIN  -      -
    ticket:note             OWNER  ADMIN  AGENT  -
    ticket:read             OWNER  ADMIN  AGENT  VIEWER
    ticket:reply            OWNER  ADMIN  AGENT  -
    ticket:update           OWNER  ADMIN  AGENT  -
    user:manage             OWNER  ADMIN  -      -
    user:read               OWNER  ADMIN  AGENT  VIEWER"
  `);
});
