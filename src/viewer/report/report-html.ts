// The page and a report's data -> one HTML file that needs no server and asks none.
import type { ReportData } from '../api.ts';
import { filePolicy } from '../http/page-policy.ts';

/** Where the page looks for the data; a file with it is a report. */
export const REPORT_ELEMENT = '<script type="application/json" id="sipf-report">';

/** No text of a model ends the script: every `<` is an escape of JSON. */
export function reportHtml(page: string, data: ReportData): string {
  const [head, ...rest] = page.split('</head>');
  const json = JSON.stringify(data).replaceAll('<', '\\u003c');
  const policy = `<meta http-equiv="Content-Security-Policy" content="${filePolicy(page)}" />`;
  const [start, ...others] = (head ?? '').split('<head>');
  const begun = [start, `\n    ${policy}${others.join('<head>')}`].join('<head>');
  return [`${begun}${REPORT_ELEMENT}${json}</script>\n  `, rest.join('</head>')].join('</head>');
}
