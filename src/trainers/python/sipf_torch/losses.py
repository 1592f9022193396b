"""Examples of a step and what a model says of their tokens -> losses and figures of src/objectives.

Every loss is a sum over examples whose weights are set for the whole step first (`weigh`), so that it may be computed for a few
examples at a time, in any division and on several GPUs: the sums add up. Figures are sums, too; sipf makes means of them.
"""

import torch
import torch.nn.functional as F

# Largest mean log-probability without a limit: float32's last value before the odds are infinite.
NEARLY_CERTAIN = -(2.0**-24)


def ratio(x, y):
    return 0.0 if y == 0 else x / y


class Example:
    """Token ids as rows of the model, and where in them its tokens are predicted: (row, position, id), rows counted from 0."""

    def __init__(self, record):
        prompt, branches = record['prompt'], record['branches']
        silent = record.get('silent') or [[False] * len(branch) for branch in branches]
        start = len(prompt)
        self.rows = [prompt + branch for branch in branches]
        self.prompt = [(0, t, token) for t, token in enumerate(prompt[1:])]
        self.branches = [
            [(row, start + u - 1, token) for u, token in enumerate(branch) if start + u > 0 and not silent[row][u]]
            for row, branch in enumerate(branches)
        ]
        self.ends = [(0, start + end['at'], end['target']) for end in record['stepEnds']]
        self.reference = record['reference']
        self.token_weight = self.pair_weight = 0.0

    @property
    def width(self):
        return max(len(row) for row in self.rows)

    @property
    def is_pair(self):
        return len(self.branches) == 2


class Sft:
    """Mean NLL of the completion's tokens, or of the prompt's too, over the optimizer step."""

    reads = 'tokens'
    figure_names = ()

    def __init__(self, scope='completion'):
        self.with_prompt = scope == 'full'

    def counted(self, example):
        return (example.prompt if self.with_prompt else []) + example.branches[0]

    predictions = counted

    def weigh(self, passes):
        step = [example for group in passes for example in group]
        weight = ratio(1, sum(len(self.counted(example)) for example in step))
        for example in step:
            example.token_weight = weight

    def __call__(self, examples, logps):
        weights = torch.tensor([e.token_weight for e in examples for _ in self.counted(e)], device=logps.device)
        return -(logps * weights).sum(), {}


class Prm:
    """Mean over the step's labelled steps of softplus(z) - c z: the binary cross-entropy of log-odds z and label c."""

    reads = 'ends'
    figure_names = ('right',)

    def __init__(self, headBias=True):
        """The head has a bias or none: the weights know."""

    def predictions(self, example):
        return example.ends

    def weigh(self, passes):
        step = [example for group in passes for example in group]
        weight = ratio(1, sum(len(example.ends) for example in step))
        for example in step:
            example.token_weight = weight

    def __call__(self, examples, odds):
        labels = torch.tensor([target for e in examples for *_, target in e.ends], device=odds.device)
        weights = torch.tensor([e.token_weight for e in examples for _ in e.ends], device=odds.device)
        right = ((labels > 0.5) == (odds > 0)).float().sum()
        return ((F.softplus(odds) - labels * odds) * weights).sum(), {'right': right}


class Pairs:
    """What losses on pairs share: tokens in the order prompt (where the NLL counts it), chosen, rejected."""

    reads = 'tokens'
    figure_names = ('nll', 'share', 'chosen', 'rejected', 'rewardChosen', 'rewardRejected', 'right')
    with_prompt = False
    mean_of_sides = False

    def nll_tokens(self, example):
        return (example.prompt if self.with_prompt else []) + example.branches[0]

    def predictions(self, example):
        return self.nll_tokens(example) + (example.branches[1] if example.is_pair else [])

    def weigh_group(self, group, part):
        token = ratio(part, sum(len(self.nll_tokens(example)) for example in group))
        pair = ratio(part, sum(example.is_pair for example in group))
        for example in group:
            example.token_weight, example.pair_weight = token, pair

    def weigh(self, passes):
        self.weigh_group([example for group in passes for example in group], 1)

    def side(self, logps):
        return logps.sum() / max(1, len(logps)) if self.mean_of_sides else logps.sum()

    def split(self, examples, logps):
        """The weighted NLL, each pair's sides `[pairs]` (sums or means), and what each pair weighs."""
        place, nll, chosen, rejected = 0, logps.new_zeros(()), [], []
        for example in examples:
            length, count = len(self.nll_tokens(example)), len(example.branches[0])
            nll = nll - logps[place : place + length].sum() * example.token_weight
            if example.is_pair:
                other = len(example.branches[1])
                chosen.append(self.side(logps[place + length - count : place + length]))
                rejected.append(self.side(logps[place + length : place + length + other]))
                length += other
            place += length
        stacked = [torch.stack(side) if side else logps.new_zeros(0) for side in (chosen, rejected)]
        shares = torch.tensor([e.pair_weight for e in examples if e.is_pair], device=logps.device)
        return nll, *stacked, shares

    @staticmethod
    def figures(nll, chosen, rejected, shares, rewards):
        shared = lambda x: (x * shares).sum()
        return {
            'nll': nll,
            'share': shares.sum(),
            'chosen': shared(chosen),
            'rejected': shared(rejected),
            'rewardChosen': shared(rewards[0]),
            'rewardRejected': shared(rewards[1]),
            'right': shared((rewards[0] > rewards[1]).float()),
        }


class Orpo(Pairs):
    """NLL of the chosen path minus lambda · log σ(log odds ratio) (Hong, Lee, Thorne 2024, equation 6)."""

    mean_of_sides = True
    figure_names = (*Pairs.figure_names, 'odds', 'losses', 'clamped')

    def __init__(self, **options):
        self.factor = options['lambda']
        self.with_prompt = options['nllScope'] == 'all'
        self.by_pass = options['normalise'] == 'microbatch'
        self.ceiling = NEARLY_CERTAIN if options['maxLogp'] is None else options['maxLogp']

    def weigh(self, passes):
        if not self.by_pass:
            return super().weigh(passes)
        for group in passes:
            self.weigh_group(group, 1 / len(passes))

    def __call__(self, examples, logps):
        nll, chosen, rejected, shares = self.split(examples, logps)
        x, y = chosen.clamp(max=self.ceiling), rejected.clamp(max=self.ceiling)
        ratios = (x - y) - (log1mexp(x) - log1mexp(y))
        losses = F.softplus(-ratios)
        figures = self.figures(nll, chosen, rejected, shares, (chosen, rejected))
        figures['odds'], figures['losses'] = (ratios * shares).sum(), (losses * shares).sum()
        figures['clamped'] = ((chosen > self.ceiling).float() + (rejected > self.ceiling).float()).sum()
        return nll + self.factor * (losses * shares).sum(), figures


class Dpo(Pairs):
    """-log σ(beta · margin over the reference) (Rafailov et al. 2023), plus `nllWeight` times the NLL (Pang et al. 2024)."""

    def __init__(self, beta, nllWeight):
        self.beta, self.nll_weight = beta, nllWeight

    def __call__(self, examples, logps):
        nll, chosen, rejected, shares = self.split(examples, logps)
        reference = torch.tensor([e.reference for e in examples if e.is_pair], device=logps.device).reshape(-1, 2)
        rewards = chosen - reference[:, 0], rejected - reference[:, 1]
        losses = F.softplus(-self.beta * (rewards[0] - rewards[1]))
        loss = (losses * shares).sum()
        # Without its weight the NLL is a figure alone, even where it is no number.
        return loss + self.nll_weight * nll if self.nll_weight else loss, self.figures(nll, chosen, rejected, shares, rewards)


def log1mexp(x):
    """log(1 - e^x) for x < 0, with t = tanh(x / 2): 1 - e^x = -2t / (1 - t). No branch, so no NaN in a gradient."""
    t = torch.tanh(x / 2)
    return torch.log(-2 * t) - torch.log(1 - t)


OBJECTIVES = {'sft': Sft, 'prm': Prm, 'orpo': Orpo, 'dpo': Dpo}


def objective_of(options):
    """`{kind, ...options}` as the job has them, complete."""
    return OBJECTIVES[options['kind']](**{key: value for key, value in options.items() if key != 'kind'})
