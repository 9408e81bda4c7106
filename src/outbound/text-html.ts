/** Text as HTML shows it. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/**
 * Plain text as HTML that looks the same: paragraphs where lines are blank, line breaks, indents, and links for what
 * begins with `http://` or `https://`.
 */
export function htmlOfText(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .split(/\n{2,}/)
    .filter((paragraph) => paragraph.trim() !== '')
    .map((paragraph) => `<p>${paragraph.split('\n').map(htmlOfLine).join('<br>\n')}</p>`)
    .join('\n');
}

function htmlOfLine(line: string): string {
  return line
    .replace(/^\t/, '    ')
    .split(/(https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]}])/)
    .map((part, i) => {
      const safe = escapeHtml(part);
      return i % 2 === 1 ? `<a href="${safe}">${safe}</a>` : safe;
    })
    .join('')
    .replace(/^ +/, (indent) => '&nbsp;'.repeat(indent.length))
    .replace(/ {2}/g, ' &nbsp;');
}
