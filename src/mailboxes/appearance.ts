import { quoted } from './explain-access.ts';
import type { Identity } from './identity.entity.ts';
import type { Mailbox } from './mailbox.entity.ts';

/** What recipients may see otherwise than it is set here. */
export const APPEARANCE_WARNING_KINDS = [
  'NAME_MAY_BE_REPLACED',
  'NAME_WAS_REPLACED',
  'ADDRESS_MAY_BE_REPLACED',
  'ADDRESS_WAS_REPLACED',
  'SENT_ON_BEHALF',
] as const;
export type AppearanceWarningKind = (typeof APPEARANCE_WARNING_KINDS)[number];

export interface AppearanceWarning {
  kind: AppearanceWarningKind;
  message: string;
  remedy: string;
}

/** What a sent mail has shown as its sender, and what it was to show. */
export interface ShownSender {
  wanted: { name: string | null; emailAddress: string };
  shown: { name: string | null; emailAddress: string };
  /** Who really sent it: another one for Send on Behalf. Null: it was not read. */
  sender: { name: string | null; emailAddress: string } | null;
  at: Date;
}

/** What recipients see as the sender. */
export interface Appearance {
  name: string;
  emailAddress: string;
  /** When a sent mail was seen to look so; null: it is what was asked for, and nobody has looked yet. */
  seenAt: Date | null;
  warnings: AppearanceWarning[];
}

/**
 * What recipients will see of mail that is sent as an identity under a name. Exchange has the last word: it replaces the
 * name by that of the mailbox, and an alias by the primary address, unless the organization is set up otherwise. The last
 * mail that was sent with the same name and address tells what it really does. Pure.
 */
export function appearanceOf(
  { emailAddress, kind }: Pick<Identity, 'emailAddress' | 'kind'>,
  mailbox: Pick<Mailbox, 'emailAddress' | 'displayName'>,
  name: string,
  last: ShownSender | null,
): Appearance {
  const ofAddress = last?.wanted.emailAddress === emailAddress ? last : null;
  // Whatever the name: the right in Exchange is for the address.
  const onBehalf = ofAddress && isOnBehalf(ofAddress, kind, mailbox) ? [sentOnBehalf(ofAddress)] : [];
  if (ofAddress?.wanted.name === name) {
    const { shown, at } = ofAddress;
    const seen = { name: shown.name ?? '', emailAddress: shown.emailAddress, seenAt: at };
    const warnings = [
      ...onBehalf,
      ...(seen.emailAddress === emailAddress ? [] : [addressReplaced(emailAddress, seen.emailAddress)]),
      ...(seen.name === name ? [] : [nameReplaced(name, seen.name)]),
    ];
    return { ...seen, warnings };
  }
  const warnings = [
    ...onBehalf,
    ...(kind === 'ALIAS' ? [addressAtRisk(emailAddress, mailbox.emailAddress)] : []),
    ...(name === mailbox.displayName ? [] : [nameAtRisk(name, mailbox.displayName)]),
  ];
  return { name, emailAddress, seenAt: null, warnings };
}

/** An alias that its own mailbox stands behind is shown alone. */
function isOnBehalf(
  { shown, sender }: ShownSender,
  kind: Identity['kind'],
  mailbox: Pick<Mailbox, 'emailAddress'>,
): boolean {
  if (sender === null || sender.emailAddress === shown.emailAddress) return false;
  return kind === 'SEND_AS' || sender.emailAddress !== mailbox.emailAddress;
}

const ALIAS_REMEDY =
  'Let an administrator run Set-OrganizationConfig -SendFromAliasEnabled $true in Exchange Online PowerShell; sendTestEmail shows then what arrives.';
const NAME_REMEDY =
  'Give the mailbox this display name in the Exchange admin center (Recipients > Mailboxes), or use the name that it has; sendTestEmail shows what arrives.';

function addressAtRisk(alias: string, primary: string): AppearanceWarning {
  return {
    kind: 'ADDRESS_MAY_BE_REPLACED',
    message: `${alias} is an alias: Exchange sends as ${primary} instead, unless the tenant allows sending from aliases.`,
    remedy: ALIAS_REMEDY,
  };
}

function addressReplaced(wanted: string, shown: string): AppearanceWarning {
  return {
    kind: 'ADDRESS_WAS_REPLACED',
    message: `The last mail was to come from ${wanted}, and Exchange sent it as ${shown}.`,
    remedy: ALIAS_REMEDY,
  };
}

function nameAtRisk(wanted: string, displayName: string): AppearanceWarning {
  return {
    kind: 'NAME_MAY_BE_REPLACED',
    message: `Exchange may show recipients the name of the mailbox, "${displayName}", instead of "${wanted}".`,
    remedy: NAME_REMEDY,
  };
}

function nameReplaced(wanted: string, shown: string): AppearanceWarning {
  return {
    kind: 'NAME_WAS_REPLACED',
    message: `The last mail was to come from "${wanted}", and recipients saw "${shown}".`,
    remedy: NAME_REMEDY,
  };
}

function sentOnBehalf({ wanted, shown, sender }: ShownSender): AppearanceWarning {
  const [who, whom] = [sender, shown].map((one) => one?.name || one?.emailAddress);
  return {
    kind: 'SENT_ON_BEHALF',
    message: `Recipients of the last mail saw "${who} on behalf of ${whom}": ${sender?.emailAddress} has the right Send on Behalf for ${wanted.emailAddress}, and not Send As.`,
    remedy: `To be shown as ${wanted.emailAddress} alone, let an administrator give the right Send As, which goes before: Add-RecipientPermission -Identity ${quoted(wanted.emailAddress)} -Trustee ${quoted(sender?.emailAddress ?? '')} -AccessRights SendAs in Exchange Online PowerShell. It takes up to an hour to work; sendTestEmail shows then what arrives.`,
  };
}
