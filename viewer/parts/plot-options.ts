// A plot's series and the page's colours -> what uPlot draws: lines, bands, whiskers.
import type uPlot from 'uplot';
import type { PlotProps, Series } from './plot.tsx';

export interface Colours {
  readonly text: string;
  readonly grid: string;
  readonly lines: readonly string[];
}

/** Different lines: colour, dash and point repeat after these. */
export const LINES = 6;
/** As `.line-N` of the style has them. */
const DASHES: readonly (readonly number[])[] = [[], [7, 4], [2, 3], [10, 3, 2, 3], [4, 2], [1, 2]];
/** Fewer points than this have a whisker each. */
const FEW = 40;

/** Colours as the style sheet has them at this element. */
export function coloursOf(element: HTMLElement): Colours {
  const probe = element.ownerDocument.createElement('span');
  element.append(probe);
  const read = (name: string): string => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const lines = Array.from({ length: LINES }, (_, i) => read(`--line-${i}`));
  const colours = { text: read('--dim'), grid: read('--rule'), lines };
  probe.remove();
  return colours;
}

type Options = Omit<uPlot.Options, 'width' | 'height'>;

export function optionsOf(props: PlotProps, colours: Colours, onPoint: (index: number | null) => void): Options {
  const { series, x, diagonal } = props;
  const isFew = x.length <= FEW;
  const lines = series.flatMap((line, i) => lineOptions(line, colours.lines[i % LINES] ?? '', i, isFew));
  const extra: uPlot.Series[] = diagonal === true ? [{ stroke: colours.grid, width: 1, points: { show: false } }] : [];
  return {
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 5 } },
    padding: [8, 8, 0, 0],
    scales: { x: { time: false, range: xRange(props) }, y: yScale(props) },
    series: [{}, ...lines, ...extra],
    bands: isFew ? [] : bandsOf(series, colours),
    axes: [xAxis(props, colours), yAxis(colours)],
    hooks: {
      setCursor: [(plot) => onPoint(plot.cursor.idx ?? null)],
      draw: isFew ? [(plot) => drawWhiskers(plot, series, colours)] : [],
    },
  };
}

function xRange({ xRange: fixedRange, x }: PlotProps): uPlot.Range.Function {
  if (fixedRange !== undefined) return () => [fixedRange[0], fixedRange[1]];
  const spare = x.length <= FEW ? 0.3 : 0;
  return (_, low, high) => [low - spare, high + spare];
}

function yScale({ yRange }: PlotProps): uPlot.Scale {
  if (yRange === undefined) return {};
  return { range: [yRange[0], yRange[1]] };
}

function lineOptions(line: Series, stroke: string, i: number, isFew: boolean): uPlot.Series[] {
  const own: uPlot.Series = {
    stroke,
    width: 1.5,
    dash: [...(DASHES[i % LINES] ?? [])],
    points: { show: isFew, size: 6, fill: stroke },
    spanGaps: true,
  };
  if (line.low === undefined || line.high === undefined) return [own];
  const edge: uPlot.Series = { stroke: 'transparent', width: 0, points: { show: false } };
  return [own, edge, edge];
}

/** Place of each line in uPlot's list; its band's edges follow it. */
function placesOf(series: readonly Series[]): number[] {
  let next = 1;
  return series.map((line) => {
    const place = next;
    next += line.low === undefined ? 1 : 3;
    return place;
  });
}

function bandsOf(series: readonly Series[], { lines }: Colours): uPlot.Band[] {
  return placesOf(series).flatMap((place, i): uPlot.Band[] => {
    if (series[i]?.low === undefined) return [];
    return [{ series: [place + 2, place + 1], fill: faint(lines[i % LINES] ?? '') }];
  });
}

function faint(colour: string): string {
  return colour.replace(/^rgb\((.*)\)$/, 'rgba($1, 0.15)');
}

/** Intervals of few points: a line each, side by side where several are at one place. */
function drawWhiskers(plot: uPlot, series: readonly Series[], { lines }: Colours): void {
  const { ctx } = plot;
  const ratio = devicePixelRatio;
  const banded = series.filter(({ low }) => low !== undefined);
  banded.forEach((line, i) => {
    const { low = [], high = [] } = line;
    ctx.save();
    ctx.strokeStyle = lines[series.indexOf(line) % LINES] ?? '';
    ctx.lineWidth = 1.25 * ratio;
    plot.data[0].forEach((x, at) => {
      const [from, to] = [low[at], high[at]];
      if (typeof from !== 'number' || typeof to !== 'number') return;
      const across = plot.valToPos(x, 'x', true) + (i - (banded.length - 1) / 2) * 4 * ratio;
      ctx.beginPath();
      ctx.moveTo(across, plot.valToPos(from, 'y', true));
      ctx.lineTo(across, plot.valToPos(to, 'y', true));
      ctx.stroke();
    });
    ctx.restore();
  });
}

const FONT = '11px system-ui, sans-serif';

function xAxis({ x, xNames, xLabel }: PlotProps, { text, grid }: Colours): uPlot.Axis {
  const shared = {
    stroke: text,
    font: FONT,
    grid: { show: false },
    ticks: { stroke: grid, width: 1, size: 4 },
    gap: 2,
  };
  const label = { label: xLabel, labelSize: 16, labelFont: FONT, labelGap: 0, size: 26 };
  if (xNames === undefined) return { ...shared, ...label, values: (_, splits) => splits.map(numberOf) };
  return { ...shared, ...label, splits: x.slice(), values: () => xNames.slice() };
}

function numberOf(value: number): string {
  return Number.isInteger(value) || Math.abs(value) < 1 ? fixedShort(value) : '';
}

function yAxis({ text, grid }: Colours): uPlot.Axis {
  return {
    stroke: text,
    font: FONT,
    grid: { stroke: grid, width: 1 },
    ticks: { show: false },
    gap: 4,
    size: 46,
    values: (_, splits) => splits.map((value) => fixedShort(value)),
  };
}

/** As few digits as tell the ticks apart. */
function fixedShort(value: number): string {
  if (value !== 0 && Math.abs(value) < 0.0001) return value.toExponential(0);
  const [scaled, unit] = Math.abs(value) >= 10_000 ? [value / 1000, 'k'] : [value, ''];
  return `${String(Number(scaled.toFixed(4))).replace('-', '−')}${unit}`;
}
