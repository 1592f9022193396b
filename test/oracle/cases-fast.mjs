// The runs of the fast oracle, on the scripted model: name -> {needs, run}.

const small =
  '--seed 3 --model base --sampling.unit 4 --labels.K 2 --labels.heldOut 0.3 --labels.unit 4 --score.unit 4 --pairs.eta 0.001 ' +
  '--sft.train.batchSize 4 --prm.train.batchSize 4 --align.train.batchSize 4 ' +
  '--sft.train.checkpointEverySteps 1 --prm.train.checkpointEverySteps 2 --align.train.checkpointEverySteps 2 ' +
  '--evaluate.unit 4 --evaluate.logpPairs 4';
const sums = `--task jsonl --data sums --sampling.samples 4 ${small}`;
const final = '--evaluate.final [{"split":"test"}] --evaluate.control continued-sft';
const whole = `run ${sums} --iterations 2 ${final} --score.scorer prm-logprob`;
const dpoLoss = '--align.loss.kind dpo --align.loss.nllWeight 0.5 --align.gold 0.5';
const dpoTrain = '--align.train.batchSize 4 --align.train.checkpointEverySteps 1';
const dpoRun = `run ${sums} --iterations 2 --score.scorer prm ${dpoLoss} ${dpoTrain}`;
const dpoAlign =
  `align --task jsonl --data sums --seed 3 --model dpo/run/iteration-0/6-policy --in dpo/run/iteration-1/5-pairs.jsonl ` +
  `${dpoLoss} ${dpoTrain} --json`;
const mini = `--task mini --task.limit 16 --sampling.samples 4 ${small} --evaluate.sets [{"split":"valid","limit":4}]`;
const calculated =
  `run ${mini} --evaluate.final [] --iterations 2 --score.scorer prm-logprob ${dpoLoss} --sft.calculatorLoss false ` +
  '--sampling.calculator true --labels.calculator true --evaluate.calculator true --sampling.distinct false --pairs.chosenGate none';
const round = 'shots/run/iteration-1';
const stage = `--task jsonl --data sums --prompt.shots 2 --seed 3`;
const policy = '--model shots/run/iteration-0/6-policy';
const labels = '--labels.K 2 --labels.heldOut 0.3 --labels.unit 4';
const prmLogprob = '--score.scorer prm-logprob --score.unit 4';

/** One run, nothing else. */
const runOf = (words, ...needs) => ({ needs, run: ({ sipf, name }) => sipf(`${words} --out ${name}/run`) });

/** The same files in both cases, with equal bytes. */
function expectSame(world, a, b) {
  const [left, right] = [world.artefacts(a), world.artefacts(b)];
  const names = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  const other = names.filter((name) => String(left[name]) !== String(right[name]));
  if (other.length > 0)
    throw new Error(`Expected ${a} and ${b} to hold the same bytes, got others in ${other.join(', ')}.`);
}

export const cases = {
  'sipf-prm': runOf(`run ${sums} --iterations 2 --score.scorer prm`),
  'sipf-prm-logprob': runOf(whole),
  'sipf-tallies': runOf(`run ${sums} --iterations 1 --score.scorer tallies --labels.mode full --score.path min`),
  'sipf-logprob': runOf(`run ${sums} --iterations 1 --score.scorer logprob`),
  siof: runOf(`run ${sums} --iterations 2 --method siof ${final}`),
  'random-pairs': runOf(`run ${sums} --iterations 1 --method random-pairs`),
  'online-rft': runOf(`run ${sums} --iterations 2 --method online-rft`),
  rft: runOf(`run ${sums} --iterations 2 --method rft ${final}`),
  'continued-sft': runOf(`run ${sums} --iterations 2 --method continued-sft`),
  sft: runOf(`run ${sums} --method sft ${final}`),
  'paper-rules': runOf(
    `run ${sums} --iterations 2 --sampling.quota {"right":2,"wrong":1,"round":2,"budget":8} --labels.mode full --labels.closure none ` +
      '--prm.targets soft --pairs.chosenGate none --pairs.perQuestion 2 --pairs.gold true --pairs.nllRows false --align.start base --align.gold 1 ' +
      '--sft.train.lora.rank 4 --align.train.lora.rank 4 --labels.relabel true',
  ),
  'other-choices': runOf(
    `run ${sums} --iterations 2 --sampling.questions 10 --sampling.rotate true --sampling.gold false --sampling.distinct false --task.solutions 12 ` +
      '--labels.paths 20 --labels.ownWitness true --pairs.total 8 --simulator base --verifier base --sft.enabled false --score.path product',
  ),
  chat: runOf(`run ${sums} --iterations 1 --prompt.style chat --prompt.system Think.`),
  'shots-file': runOf(
    `run ${sums} --iterations 1 --prompt.shotsFile rows/shots.jsonl --prompt.shots 2 --prompt.instruction Add.`,
  ),
  code: runOf(
    `run --sandbox.timeout 60 --task code --data mix/code --sampling.samples 4 ${small} --iterations 1 --score.scorer prm-logprob ${final}`,
  ),
  mixture: runOf(
    `run --sandbox.timeout 60 --task jsonl+code --data mix --sampling.samples 3 ${small} --iterations 1 --score.scorer prm-logprob --prompt.shots 1`,
  ),
  'mini-oracle': {
    needs: [],
    async run(world) {
      const run = `run ${mini} --evaluate.final []`;
      await world.sipf(`${run} --method sft --out mini-oracle/questions`);
      const rows = world
        .read('mini-oracle/questions/iteration-0/0-questions.jsonl')
        .trim()
        .split('\n')
        .map((row) => JSON.parse(row));
      world.write(
        'solutions.json',
        JSON.stringify(Object.fromEntries(rows.map(({ question, solution }) => [question, solution.join('\n')]))),
      );
      await world.sipf(`${run} --iterations 1 --score.scorer oracle --out mini-oracle/run`);
    },
  },
  // mini-oracle has written the solutions that the scripted model knows.
  calculator: runOf(calculated, 'mini-oracle'),
  'kill-calculator': {
    needs: ['calculator'],
    async run(world) {
      await world.killed(`${calculated} --out kill-calculator/run`, 150);
      expectSame(world, 'kill-calculator', 'calculator');
    },
  },
  'from-run': runOf(`run --from-run sipf-prm-logprob/run --method random-pairs --iterations 1`, 'sipf-prm-logprob'),
  show: {
    needs: ['sipf-prm-logprob', 'siof'],
    async run({ print }) {
      await print('show/sipf/show.txt', 'show sipf-prm-logprob/run');
      await print('show/siof/show.txt', 'show siof/run');
      await print('show/sipf/show.json', 'show sipf-prm-logprob/run --json');
      await print('show/pairs.txt', 'show sipf-prm-logprob/run --pairs --limit 5');
      await print('show/pairs.json', 'show sipf-prm-logprob/run --pairs --json');
      await print('show/question.txt', 'show sipf-prm-logprob/run --iteration 1 --question 0-4');
      await print('show/question.json', 'show sipf-prm-logprob/run --iteration 1 --question 0-4 --json');
    },
  },
  'best-of': {
    needs: [],
    async run({ sipf, print }) {
      await sipf(`run ${sums} --iterations 1 ${final} --evaluate.samples 3 --out best-of/run`);
      await print('best-of/sipf/show.txt', 'show best-of/run');
    },
  },
  compare: {
    needs: ['sipf-prm-logprob', 'siof', 'online-rft'],
    async run({ print }) {
      await print('compare/final.txt', 'compare sipf-prm-logprob/run siof/run');
      await print('compare/final.json', 'compare sipf-prm-logprob/run siof/run --json');
      await print('compare/rounds.json', 'compare siof/run online-rft/run --json');
    },
  },
  'kill-run': {
    needs: ['sipf-prm-logprob'],
    async run(world) {
      await world.killed(`${whole} --out kill-run/run`, 150);
      expectSame(world, 'kill-run', 'sipf-prm-logprob');
    },
  },
  dpo: {
    needs: [],
    async run(world) {
      await world.sipf(`${dpoRun} --out dpo/run`);
      await world.print('dpo/align.txt', `${dpoAlign} --out dpo/next`);
      if (world.read('dpo/next/scripted.json') !== world.read('dpo/run/iteration-1/6-policy/scripted.json'))
        throw new Error('Expected sipf align to train the policy of the run, got another one.');
    },
  },
  'kill-dpo': {
    needs: ['dpo'],
    async run(world) {
      await world.killed(`${dpoRun} --out kill-dpo/run`, 120);
      await world.killed(`${dpoAlign} --out kill-dpo/next`, 3);
      expectSame(world, 'kill-dpo/run', 'dpo/run');
      expectSame(world, 'kill-dpo/next', 'dpo/next');
    },
  },
  shots: runOf(`run ${sums} --iterations 2 ${prmLogprob} --prompt.shots 2`),
  stages: {
    needs: ['shots'],
    async run({ print, sipf }) {
      const at = (name) => `--out stages/${name}`;
      const asRun = '--seed 3 --sampling.samples 4 --sampling.unit 4';
      const train = (section) => `--${section}.train.batchSize 4`;
      await print('stages/sft.txt', `sft ${stage} --model base ${train('sft')} --json ${at('sft')}`);
      await print('stages/sample.txt', `sample ${stage} ${policy} ${asRun} --json ${at('s.jsonl')}`);
      const later = `${stage} --model ${round}/6-policy --iteration 2 --known ${round}/1-samples.jsonl`;
      await print('stages/later.txt', `sample ${later} ${asRun} --json ${at('later.jsonl')}`);
      await print('stages/label.txt', `label ${stage} ${policy} ${labels} --in stages/s.jsonl --json ${at('l.jsonl')}`);
      const full = '--labels.mode full';
      await print(
        'stages/full.txt',
        `label ${stage} ${policy} ${labels} ${full} --in stages/s.jsonl --json ${at('full.jsonl')}`,
      );
      const records = '--samples stages/s.jsonl';
      await print(
        'stages/prm.txt',
        `train-prm ${stage} ${policy} ${labels} ${train('prm')} --in stages/l.jsonl ${records} --json ${at('prm')}`,
      );
      const score = `score ${stage} ${labels} ${records} --json`;
      const prm = '--prm stages/prm';
      const calibration = `--calibration ${round}/4-calibration.json`;
      await print('stages/c-prm.txt', `${score} --scorer prm ${prm} ${at('c-prm.jsonl')}`);
      await print('stages/c-both.txt', `${score} ${prmLogprob} ${policy} ${prm} ${calibration} ${at('c-both.jsonl')}`);
      await print(
        'stages/c-fit.txt',
        `${score} ${prmLogprob} ${policy} ${prm} --labels stages/l.jsonl ${at('c-fit.jsonl')}`,
      );
      await print(
        'stages/c-tallies.txt',
        `${score} --scorer tallies --labels stages/full.jsonl ${at('c-tallies.jsonl')}`,
      );
      await print('stages/c-logprob.txt', `${score} --scorer logprob ${policy} ${at('c-logprob.jsonl')}`);
      await print('stages/c-outcome.txt', `${score} --scorer outcome ${at('c-outcome.jsonl')}`);
      const pair = `pair ${stage} --pairs.eta 0.001 ${records} --json`;
      await print('stages/pair.txt', `${pair} ${prmLogprob} --in stages/c-both.jsonl ${at('p.jsonl')}`);
      await print(
        'stages/random.txt',
        `${pair} ${prmLogprob} --in stages/c-both.jsonl --method random-pairs ${at('r.jsonl')}`,
      );
      await print('stages/outcome.txt', `${pair} --in stages/c-outcome.jsonl ${at('o.jsonl')}`);
      await print(
        'stages/align.txt',
        `align ${stage} ${policy} ${train('align')} --in stages/p.jsonl --json ${at('next')}`,
      );
      await print(
        'stages/trl.txt',
        `align ${stage} ${policy} ${train('align')} --in rows/trl-pairs.jsonl --json ${at('trl')}`,
      );
      await print(
        'stages/lora.txt',
        `align ${stage} ${policy} --align.train.lora.rank 4 --in stages/p.jsonl --json ${at('adapter')}`,
      );
      await sipf(
        `pair ${stage} --pairs.eta 0.001 ${prmLogprob} --in ${round}/4-scores.jsonl --samples ${round}/1-samples.jsonl --out stages/of-run.jsonl`,
      );
    },
  },
  answers: {
    needs: ['shots'],
    async run({ print }) {
      const model = policy;
      const rows = 'score --task jsonl --in rows/paths.jsonl --json';
      const evaluated = `eval --task jsonl --data sums ${model} --split test --shots 2 --json`;
      await print('answers/eval.txt', `${evaluated} --out answers/eval.jsonl`);
      await print('answers/pass.txt', `${evaluated} --samples 4 --pass-at 1,2 --seed 5 --out answers/pass.jsonl`);
      const best = `--best-of 4 --seed 5 --prm ${round}/3-prm --calibration ${round}/4-calibration.json`;
      await print('answers/best.txt', `${evaluated} ${best} --scorer prm,prm-logprob,logprob,shortness`);
      await print('answers/chat.txt', `eval --task jsonl --data sums ${model} --limit 5 --chat --json`);
      await print(
        'answers/generate.txt',
        `generate ${model} --prompt 1+2+3+4 --n 3 --seed 2 --temperature 0.7 --max-tokens 30 --json`,
      );
      await print('answers/greedy.txt', `generate ${model} --prompt 1+2+3+4 --temperature 0 --stop The`);
      await print('answers/logps.txt', `logps ${model} --in rows/completions.jsonl --json`);
      await print('answers/grade.txt', 'grade --task gsm8k --in rows/answers.jsonl --json');
      await print('answers/grade-stdin.txt', 'grade --task gsm8k --in -', {
        stdin: '{"reference":"#### 2","completion":"It is 2"}\n',
      });
      await print('answers/programs.txt', 'grade --timeout 60 --task mbpp --in rows/programs.jsonl --json');
      await print('answers/prm-rows.txt', `${rows} --prm ${round}/3-prm`);
      await print('answers/logprob-rows.txt', `${rows} --scorer logprob ${model}`);
      const both = `--scorer prm-logprob --prm ${round}/3-prm ${model} --calibration ${round}/4-calibration.json`;
      await print('answers/both-rows.txt', `${rows} ${both} --prompt.style chat`);
      await print('answers/rows-words.txt', `score --task jsonl --in rows/paths.jsonl --prm ${round}/3-prm`);
    },
  },
  'kill-stages': {
    needs: ['stages', 'answers'],
    async run(world) {
      const at = (name) => `--out kill-stages/${name}`;
      const equal = (name, of) => {
        if (world.read(`kill-stages/${name}`) !== world.read(of))
          throw new Error(`Expected kill-stages/${name} as ${of}, got other bytes.`);
      };
      await world.killed(`sample ${stage} ${policy} --sampling.samples 4 --sampling.unit 4 ${at('s.jsonl')}`, 40);
      equal('s.jsonl', 'stages/s.jsonl');
      await world.killed(`label ${stage} ${policy} ${labels} --in stages/s.jsonl ${at('l.jsonl')}`, 90);
      equal('l.jsonl', 'stages/l.jsonl');
      await world.killed(`eval --task jsonl --data sums ${policy} --split test --shots 2 ${at('eval.jsonl')}`, 5, 2);
      equal('eval.jsonl', 'answers/eval.jsonl');
    },
  },
};
