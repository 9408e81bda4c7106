import { messageIdsIn } from './message-id.ts';

/** What the parts of a report say that are meant for machines. */
export interface DeliveryReport {
  /** The fields of the recipient that the report is about, one a line; empty when there are none. */
  fields: string;
  /** The Message-IDs of the mail that is returned with it. */
  originalIds: string[];
  /** It tells of mail that arrived, and of none that failed or waits: asked for, and no bounce (RFC 3464, 2.3.3). */
  isSuccess: boolean;
}

/** A report has three parts; more than this is not looked at. */
const MAX_PARTS = 20;
const MAX_GROUPS = 200;

/**
 * Reads the source of a delivery report (RFC 3464, RFC 6533 for international addresses): the fields of the first recipient
 * that failed, else of one that is delayed, else of the first; and which mail it is about, returned as a whole or as its
 * headers. Never throws; what is not there is empty.
 */
export function readDeliveryReport(source: string): DeliveryReport {
  const report: DeliveryReport = { fields: '', originalIds: [], isSuccess: false };
  for (const { type, body } of partsOf(source)) {
    if (/^message\/(global-)?delivery-status/.test(type) && report.fields === '') {
      report.fields = recipientFields(body);
      // Failures and delays come first there.
      report.isSuccess = /^action:[ \t]*(?:delivered|relayed|expanded)\b/im.test(report.fields);
    } else if (/^(message\/(rfc822|global|global-headers)|text\/rfc822-headers)\b/.test(type)) {
      const returned = headerBlock(body.trimStart()).fields;
      const ids = returned.filter((line) => /^(x-)?(original-)?message-id:/i.test(line));
      report.originalIds.push(...messageIdsIn(ids.map((line) => line.slice(line.indexOf(':') + 1))));
    }
  }
  return report;
}

/** The outermost parts: what a returned mail has inside has another boundary. */
function partsOf(source: string): { type: string; body: string }[] {
  const text = source.replaceAll('\r\n', '\n');
  const type = fieldOf(headerBlock(text).fields, 'content-type');
  const boundary = /\bboundary\s*=\s*(?:"([^"]+)"|([^\s;]+))/i.exec(type);
  const mark = `\n--${boundary?.[1] ?? boundary?.[2] ?? ''}`;
  if (mark.length === 3) return [];
  return text
    .split(mark)
    .slice(1, MAX_PARTS)
    .filter((part) => part.startsWith('\n') || /^[ \t]+\n/.test(part))
    .map((part) => {
      const { fields, rest } = headerBlock(part.slice(part.indexOf('\n') + 1));
      return {
        type: fieldOf(fields, 'content-type').trim().toLowerCase(),
        body: decoded(rest, fieldOf(fields, 'content-transfer-encoding').trim().toLowerCase()),
      };
    });
}

function recipientFields(body: string): string {
  const groups = body
    .split(/\n[ \t]*\n/, MAX_GROUPS)
    .map((group) => unfolded(group))
    .filter((lines) => lines.some((line) => /^(final|original)-recipient:/i.test(line)));
  const withAction = (action: RegExp) => groups.find((lines) => action.test(fieldOf(lines, 'action')));
  return (withAction(/^\s*failed/i) ?? withAction(/^\s*delayed/i) ?? groups[0] ?? []).join('\n');
}

function headerBlock(text: string): { fields: string[]; rest: string } {
  const end = text.search(/\n[ \t]*\n/);
  return end === -1
    ? { fields: unfolded(text), rest: '' }
    : { fields: unfolded(text.slice(0, end)), rest: text.slice(end).trimStart() };
}

function unfolded(lines: string): string[] {
  return lines
    .replaceAll(/\n[ \t]+/g, ' ')
    .split('\n')
    .filter((line) => line !== '');
}

function fieldOf(lines: readonly string[], name: string): string {
  const line = lines.find((one) => one.slice(0, name.length + 1).toLowerCase() === `${name}:`);
  return line?.slice(name.length + 1) ?? '';
}

function decoded(body: string, encoding: string): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString('utf8').replaceAll('\r\n', '\n');
  if (encoding !== 'quoted-printable') return body;
  const bytes = body
    .replaceAll(/=[ \t]*\n/g, '')
    .replaceAll(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
