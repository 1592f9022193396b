// The keys of the page and the words of its columns, in a dialog.
import { useEffect, useRef } from 'preact/hooks';
import { useApp } from '../state/app.ts';

const KEYS: readonly (readonly [keys: string, words: string])[] = [
  ['j k', 'next and previous row or step'],
  ['J K', 'next and previous path'],
  ['Enter', 'open the row; show or hide what belongs to the step'],
  ['n p', 'next and previous error: a step whose score is disputed, or the first false one'],
  ['] [', 'next and previous question of the list'],
  ['g b u', 'label the step by hand: good, bad, unsure'],
  ['x', 'take the label back'],
  ['/', 'search'],
  ['Esc', 'close, then up'],
  ['?', 'this help'],
];

const WORDS: readonly (readonly [word: string, words: string])[] = [
  ['score', 'P(step is correct) by the round’s scorer; the stronger the shade, the lower'],
  ['rollouts', 'right of all continuations from this step; … where the scan stopped early'],
  ['label', 'the hard label that these rollouts give'],
  ['check', 'exact check of the step: true, false, or nothing to check'],
  ['log P', 'least log-probability of the step’s tokens'],
  ['hand', 'a label by hand: + good, − bad, ? unsure'],
  ['≠', 'disputed: the score says something else than the label, the check, or (last step) the outcome; threshold 0.5'],
];

export function Help() {
  const { helpIsOpen } = useApp();
  const dialog = useRef<HTMLDialogElement>(null);
  const isOpen = helpIsOpen.value;
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
    else dialog.current?.close();
  }, [isOpen]);
  const onClose = (): void => {
    helpIsOpen.value = false;
  };
  return (
    <dialog
      ref={dialog}
      class="help"
      aria-labelledby="help"
      onClose={onClose}
      onKeyDown={(event) => event.stopPropagation()}
    >
      {isOpen && (
        <>
          <h2 id="help">Keys and words</h2>
          <dl>
            {KEYS.map(([keys, words]) => (
              <div key={keys}>
                <dt>
                  {keys.split(' ').map((key) => (
                    <kbd key={key}>{key}</kbd>
                  ))}
                </dt>
                <dd>{words}</dd>
              </div>
            ))}
          </dl>
          <dl>
            {WORDS.map(([word, words]) => (
              <div key={word}>
                <dt>{word}</dt>
                <dd>{words}</dd>
              </div>
            ))}
          </dl>
          <form method="dialog">
            <button type="submit">Close</button>
          </form>
        </>
      )}
    </dialog>
  );
}
