// A question's record -> its text, answer, worked solution, and for programs its tests.
import type { Question } from '../../src/viewer/api.ts';
import { Code } from '../text/code.tsx';
import { plural } from '../text/format.ts';
import { ModelText, Plain } from '../text/model-text.tsx';

export function QuestionText({ question }: { readonly question: Question }) {
  const { id, answer, solution, tests, prefix } = question;
  return (
    <article class="question-text">
      <h1 class="unseen-name">Question {id}</h1>
      <div class="question-body">
        <ModelText text={question.question} />
      </div>
      <p class="facts">
        <span class="dim">
          <Plain text={id} />
        </span>
        {tests === undefined && (
          <span>
            answer{' '}
            <b>
              <Plain text={answer} />
            </b>
          </span>
        )}
      </p>
      {prefix !== undefined && (
        <details>
          <summary>Code that the answer continues</summary>
          <Code text={prefix} />
        </details>
      )}
      {solution !== undefined && (
        <details>
          <summary>Worked solution</summary>
          {tests === undefined ? <ModelText text={solution.join('\n')} /> : <Code text={solution.join('')} />}
        </details>
      )}
      {tests !== undefined && (
        <details>
          <summary>{plural(tests.cases.length, 'test')}</summary>
          <Code text={[tests.setup, ...tests.cases].filter((part) => part !== '').join('\n')} />
        </details>
      )}
    </article>
  );
}
