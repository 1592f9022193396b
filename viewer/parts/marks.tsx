// Outcomes, scores, intervals -> the small marks that tables and paths share.
import type { ComponentChildren } from 'preact';
import type { Estimate } from '../../src/reports.ts';
import type { Outcome } from '../../src/viewer/api.ts';
import { fixed, NOTHING, OUTCOME_MARKS, outcomeWords, percent, percentRange } from '../text/format.ts';
import { Plain } from '../text/model-text.tsx';

export function OutcomeMark({ outcome }: { readonly outcome: Outcome }) {
  return (
    <span class={`outcome ${outcome.kind}`} title={outcomeWords(outcome)}>
      <span aria-hidden="true">{OUTCOME_MARKS[outcome.kind]}</span>
      <span class="unseen-name">{outcomeWords(outcome)}</span>
    </span>
  );
}

/** What a program said when it failed, or why there is no grade. */
export function OutcomeWords({ outcome }: { readonly outcome: Outcome }) {
  const detail = outcome.kind === 'wrong' ? outcome.detail : undefined;
  return (
    <span class={`outcome-words ${outcome.kind}`}>
      {OUTCOME_MARKS[outcome.kind]} {outcome.kind}
      {outcome.kind !== 'right' && (
        <>
          : <Plain text={outcome.reason} />
        </>
      )}
      {detail !== undefined && (
        <code class="detail">
          <Plain text={detail} />
        </code>
      )}
    </span>
  );
}

export function Mark({ is, yes, no }: { readonly is: boolean | null; readonly yes: string; readonly no: string }) {
  if (is === null) return <span class="dim">{NOTHING}</span>;
  return (
    <span class={is ? 'right' : 'wrong'} title={is ? yes : no}>
      <span aria-hidden="true">{is ? '✓' : '✗'}</span>
      <span class="unseen-name">{is ? yes : no}</span>
    </span>
  );
}

/** A score from 0 to 1: the stronger the shade, the lower. */
export function Score({ value, digits = 2 }: { readonly value: number | null; readonly digits?: number }) {
  if (value === null) return <span class="dim">{NOTHING}</span>;
  return (
    <span class="shade" style={{ '--doubt': doubt(value) }}>
      {fixed(value, digits)}
    </span>
  );
}

/** 0 of a score of 1, 1 of a score of 0. */
export function doubt(score: number): string {
  return Math.min(1, Math.max(0, 1 - score)).toFixed(3);
}

/** A share with its interval beside it. */
export function Share({ value, ci95 }: { readonly value: number; readonly ci95: readonly [number, number] }) {
  return (
    <span class="share">
      <span class="figure">{percent(value)}</span> <small class="dim">{percentRange(ci95)}</small>
    </span>
  );
}

export function EstimateShare({ figure }: { readonly figure: Estimate | undefined }) {
  return figure === null || figure === undefined ? <span class="dim">{NOTHING}</span> : <Share {...figure} />;
}

interface SpanProps {
  readonly low: number;
  readonly high: number;
  /** A dot between them. */
  readonly at?: number | undefined;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** A thin line, e.g. chance. */
  readonly line?: number | undefined;
}

/** An interval as a line on a scale that all rows of a table share. */
export function Span({ low, high, at, from = 0, to = 1, line }: SpanProps) {
  const place = (value: number): number => (100 * (Math.min(to, Math.max(from, value)) - from)) / (to - from);
  return (
    <svg class="span" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      <line class="axis" x1="0" x2="100" y1="9.5" y2="9.5" />
      {line !== undefined && <line class="line" x1={place(line)} x2={place(line)} y1="0" y2="10" />}
      <line class="reach" x1={place(low)} x2={Math.max(place(high), place(low) + 3)} y1="5" y2="5" />
      {at !== undefined && <line class="at" x1={place(at)} x2={place(at)} y1="1" y2="9" />}
    </svg>
  );
}

/** Words that hold a page's place while nothing is known, or say why there is nothing. */
export function Note({ children, kind = 'quiet' }: { readonly children: ComponentChildren; readonly kind?: string }) {
  return <p class={`note ${kind}`}>{children}</p>;
}

/** A setting's name, as the command line has it. */
export function Setting({ name }: { readonly name: string }) {
  return <code class="setting">{name}</code>;
}
