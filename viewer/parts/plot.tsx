// Series of numbers -> a uPlot chart with bands, its legend, and a table of the same numbers.
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { useApp } from '../state/app.ts';
import { fixed, NOTHING } from '../text/format.ts';
import { coloursOf, LINES, optionsOf } from './plot-options.ts';
import { Wide } from './wide.tsx';

/** One line; `low` and `high` are its band. Lists run parallel to the plot's `x`. */
export interface Series {
  readonly label: string;
  readonly values: readonly (number | null)[];
  readonly low?: readonly (number | null)[] | undefined;
  readonly high?: readonly (number | null)[] | undefined;
}

export interface PlotProps {
  readonly title: string;
  readonly xLabel: string;
  readonly x: readonly number[];
  /** In place of the numbers of x: names of rounds, groups. */
  readonly xNames?: readonly string[] | undefined;
  readonly series: readonly Series[];
  /** The same in the table alone. */
  readonly rowNames?: readonly string[] | undefined;
  /** x is a course of rounds or steps, so that the last numbers are the news: the legend has them where no pointer is. */
  readonly isCourse?: boolean | undefined;
  /** Of the numbers shown. */
  readonly digits?: number | undefined;
  readonly xRange?: readonly [number, number] | undefined;
  readonly yRange?: readonly [number, number] | undefined;
  /** Draws y = x, where a curve should be. */
  readonly diagonal?: boolean | undefined;
}

/** Nothing without a number. */
export function Plot(props: PlotProps) {
  const drawn = props.series.filter(({ values }) => values.some((value) => value !== null));
  if (drawn.length === 0) return null;
  return <Drawn {...props} series={drawn} />;
}

const HEIGHT = 180;

function Drawn(props: PlotProps) {
  const { theme } = useApp();
  const box = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<number | null>(null);
  const [isTable, setTable] = useState(false);
  const state = JSON.stringify([props.x, props.series]);
  const colours = theme.drawn.value;
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const width = (): number => Math.max(200, element.clientWidth);
    const size = { width: width(), height: HEIGHT };
    const plot = new uPlot({ ...optionsOf(props, coloursOf(element), setAt), ...size }, dataOf(props), element);
    const observer = new ResizeObserver(() => plot.setSize({ width: width(), height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [state, colours]);
  return (
    <figure class="plot">
      <figcaption>
        {props.title}
        <button type="button" class="quiet" aria-pressed={isTable} onClick={() => setTable(!isTable)}>
          numbers<span class="unseen-name"> of {props.title}</span>
        </button>
      </figcaption>
      <div ref={box} role="img" aria-label={`Curve: ${props.title}. A table of its numbers follows.`} class="canvas" />
      <Legend props={props} at={at} />
      <div class={isTable ? 'numbers' : 'numbers off-screen'}>
        <Wide label={`Numbers of ${props.title}`}>
          <NumberTable {...props} />
        </Wide>
      </div>
    </figure>
  );
}

function dataOf({ x, series, diagonal }: PlotProps): uPlot.AlignedData {
  const lines = series.flatMap(({ values, low, high }) => {
    const own = [values.slice()];
    if (low !== undefined && high !== undefined) own.push(low.slice(), high.slice());
    return own;
  });
  return [x.slice(), ...lines, ...(diagonal === true ? [x.slice()] : [])];
}

/** What the lines are, with their numbers at the pointer; of a course else the last ones. */
function Legend({ props, at }: { readonly props: PlotProps; readonly at: number | null }) {
  const { series, digits = 2, isCourse = false } = props;
  return (
    <ul class="legend">
      {at !== null && (
        <li class="dim">
          {props.xLabel} {props.rowNames?.[at] ?? xName(props, at)}
        </li>
      )}
      {series.map(({ label, values }, i) => (
        <li key={label}>
          <svg class={`swatch line-${i % LINES}`} viewBox="0 0 24 8" aria-hidden="true">
            <line x1="0" x2="24" y1="4" y2="4" />
          </svg>
          {label}
          {(at !== null || isCourse) && (
            <span class="figure">
              {' '}
              {numberText(at === null ? values.findLast((value) => value !== null) : values[at], digits)}
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}

function xName({ x, xNames }: PlotProps, at: number): string {
  return xNames?.[at] ?? fixed(x[at], Number.isInteger(x[at]) ? 0 : 2);
}

/** Numbers that all digits would hide have a power of ten. */
function numberText(value: number | null | undefined, digits: number): string {
  if (typeof value === 'number' && value !== 0 && Math.abs(value) < 10 ** -digits) return value.toExponential(0);
  return fixed(value, digits);
}

/** Rows of the table of numbers; of longer series some, evenly chosen. */
const MOST_ROWS = 60;

function NumberTable(props: PlotProps) {
  const { x, series, title, xLabel, digits = 2 } = props;
  const every = Math.ceil(x.length / MOST_ROWS);
  const rows = x.map((_, i) => i).filter((i) => i % every === 0 || i === x.length - 1);
  return (
    <table>
      <caption>
        {title}
        {every > 1 && ` (one of ${every} points)`}
      </caption>
      <thead>
        <tr>
          <th scope="col">{xLabel}</th>
          {series.map(({ label }) => (
            <th scope="col" key={label}>
              {label}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((i) => (
          <tr key={i}>
            <th scope="row">{props.rowNames?.[i] ?? xName(props, i)}</th>
            {series.map((line) => (
              <td key={line.label}>{numberAt(line, i, digits)}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function numberAt({ values, low, high }: Series, i: number, digits: number): string {
  const value = values[i];
  if (value === null || value === undefined) return NOTHING;
  const [from, to] = [low?.[i], high?.[i]];
  if (typeof from !== 'number' || typeof to !== 'number') return numberText(value, digits);
  return `${fixed(value, digits)} (${fixed(from, digits)} to ${fixed(to, digits)})`;
}
