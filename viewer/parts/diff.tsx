// Two lists of steps -> a table with equal steps side by side and differences marked.
import { type AlignedStep, alignSteps, type Part } from '../text/aligned.ts';
import { Cut, Plain } from '../text/model-text.tsx';

interface DiffProps {
  readonly left: readonly string[];
  readonly right: readonly string[];
  readonly heads: readonly [left: string, right: string];
}

export function Diff({ left, right, heads }: DiffProps) {
  const rows = alignSteps(left, right);
  const first = rows.findIndex(({ kind }) => kind === 'changed');
  return (
    <table class="diff">
      <thead>
        <tr>
          <th scope="col">{heads[0]}</th>
          <th scope="col">{heads[1]}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row, i) => (
          <tr key={i} class={i === first ? `${row.kind} first` : row.kind}>
            <td>
              {i === first && <span class="first-mark">first difference</span>}
              <Side parts={row.left} name="chosen" />
            </td>
            <td>
              <Side parts={row.right} name="rejected" />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Side({ parts, name }: { readonly parts: AlignedStep['left']; readonly name: string }) {
  if (parts === null) return <span class="dim">(no step)</span>;
  return <div class="model-text">{parts.map((part) => (part.isOwn ? own(part, name) : cut(part)))}</div>;
}

function own(part: Part, name: string) {
  return <mark class={name}>{cut(part)}</mark>;
}

function cut({ text }: Part) {
  return <Cut text={text} show={(shown) => <Plain text={shown} />} />;
}
