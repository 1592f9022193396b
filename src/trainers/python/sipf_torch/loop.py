"""A job's folder -> its optimizer steps, one event each, checkpoints, the trained tensors."""

import datetime
import hashlib
import json
import math
import os
import signal

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file

from sipf_torch.events import Refusal, tell
from sipf_torch.losses import Example, objective_of
from sipf_torch.places import TRAINED
from sipf_torch.weights import Model

# Numbers that processes add up in one call.
BUCKET = 2**25

PROGRESS = 'progress.json'
# How long processes wait for the first of them to bring a job's files.
PATIENCE = datetime.timedelta(hours=6)


class Group:
    """The processes that share each optimizer step: torchrun and `accelerate launch` say who is who."""

    def __init__(self):
        self.rank, self.size = int(os.environ.get('RANK', 0)), int(os.environ.get('WORLD_SIZE', 1))
        self.local = int(os.environ.get('LOCAL_RANK', 0))

    def join(self, device):
        if device.type == 'cuda':
            torch.cuda.set_device(device)
        if self.size > 1:
            dist.init_process_group('nccl' if device.type == 'cuda' else 'gloo')

    def of_first(self, make):
        """What the first process makes, which the others wait for."""
        if self.size == 1:
            return make()
        patient = dist.new_group(backend='gloo', timeout=PATIENCE)
        made = [make() if self.rank == 0 else None]
        dist.broadcast_object_list(made, src=0, group=patient)
        return made[0]

    def add_up(self, tensor):
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def add_up_all(self, tensors):
        """In few calls: each has a fixed cost."""
        if self.size == 1:
            return
        for bucket in buckets_of(tensors, BUCKET):
            total = self.add_up(torch.cat([tensor.flatten() for tensor in bucket]))
            for tensor, part in zip(bucket, total.split([tensor.numel() for tensor in bucket])):
                tensor.copy_(part.view_as(tensor))

    def leave(self):
        if self.size > 1:
            dist.barrier()
            dist.destroy_process_group()


class Stop:
    """Whether somebody has asked the program to end: SIGTERM."""

    def __init__(self):
        self.asked = False
        signal.signal(signal.SIGTERM, self.ask)

    def ask(self, *_):
        self.asked = True


class Stopped(Exception):
    """On request, between two optimizer steps or two parts of one; the weights are those of the steps that are whole."""


class Training:
    def __init__(self, place, job):
        self.place, self.job, self.stop, self.group = place, job, Stop(), Group()
        self.device = device_of(self.job, self.group.local)
        self.group.join(self.device)
        self.folder, self.job['model'] = place.fetch(job, self.group)
        self.examples, self.plan = Lines(self.path('examples.jsonl')), Lines(self.path('steps.jsonl'))
        self.objective = objective_of(self.job['objective'])
        self.model = Model(self.job, self.folder, self.device)
        self.start = self.model.digest()
        self.optimizer = self.adamw()
        self.steps = self.resume()
        self.saved = len(self.steps)

    def path(self, name):
        return os.path.join(self.folder, name)

    def adamw(self):
        """Vectors (norms, biases) have no weight decay."""
        settings, trained = self.job['optimizer'], self.model.trained.values()
        groups = [
            {'params': [tensor for tensor in trained if tensor.ndim > 1], 'weight_decay': settings['weightDecay']},
            {'params': [tensor for tensor in trained if tensor.ndim <= 1], 'weight_decay': 0.0},
        ]
        return torch.optim.AdamW([group for group in groups if group['params']], lr=0.0, betas=tuple(settings['betas']), eps=settings['eps'])

    def run(self):
        if self.group.rank == 0:
            tell('started', step=len(self.steps), device=str(self.device), processes=self.group.size)
        try:
            while len(self.steps) < len(self.plan):
                self.steps.append(self.step(len(self.steps)))
                if self.group.rank == 0:
                    tell('step', **self.steps[-1])
                if len(self.steps) % self.job['checkpointEverySteps'] == 0:
                    self.save()
        except Stopped:
            self.save()
            return
        self.save()
        if self.group.rank == 0:
            write_tensors(self.path(TRAINED), self.model.values())
            self.place.keep(TRAINED)
            tell('finished', changed=self.model.digest() != self.start)
        self.group.leave()

    def step(self, number):
        """One update by the gradient of all examples of the step, those of other processes included."""
        plan = self.plan[number]
        passes = [[Example(self.examples[line]) for line in group] for group in plan['passes']]
        self.objective.weigh(passes)
        self.optimizer.zero_grad()
        torch.manual_seed(seed_of(self.job['seed'], number, self.group.rank))
        sums = self.accumulate([example for group in passes for example in group])
        loss, norm = sums.pop('loss'), self.gradient_norm()
        if not math.isfinite(loss + norm):
            self.tell_diverged(number, loss, norm)
        self.update(plan['learningRate'], norm)
        return {'step': number, 'loss': loss, 'gradNorm': norm, 'figures': sums}

    def accumulate(self, examples):
        """Gradients of this process's share; loss and figures of all shares."""
        found = {}
        for part in parts_of(share_of(examples, self.group), self.job['tokensPerPass']):
            self.check_stop(False)
            read = self.model.read(part, self.objective)
            if read is None:
                continue
            loss, figures = self.objective(part, read)
            loss.backward()
            for name, value in {'loss': loss, **figures}.items():
                found[name] = found.get(name, 0.0) + value.detach().double()
        return self.summed(found)

    def summed(self, found):
        """Every process has the same names but one without a share, which has none."""
        names = ['loss', *self.objective.figure_names]
        values = [found.get(name, 0.0) for name in names] + [float(self.stop.asked)]
        total = self.group.add_up(torch.tensor([float(value) for value in values], dtype=torch.float64, device=self.device)).tolist()
        self.check_stop(total[-1] > 0)
        return dict(zip(names, total[:-1]))

    def check_stop(self, by_another):
        """Several processes stop together, where they have added up their sums: none may wait for one that is gone."""
        if by_another or (self.group.size == 1 and self.stop.asked):
            raise Stopped

    def gradient_norm(self):
        for tensor in self.model.trained.values():
            if tensor.grad is None:
                tensor.grad = torch.zeros_like(tensor)
        gradients = [tensor.grad for tensor in self.model.trained.values()]
        self.group.add_up_all(gradients)
        square = float(sum(gradient.double().square().sum() for gradient in gradients))
        return math.sqrt(square) if math.isfinite(square) else math.nan

    def update(self, rate, norm):
        clip = self.job['optimizer']['clip']
        scale = 1.0 if clip is None else min(1.0, clip / (norm + 1e-6))
        for tensor in self.model.trained.values():
            tensor.grad.mul_(scale)
        for group in self.optimizer.param_groups:
            group['lr'] = rate
        self.optimizer.step()

    def tell_diverged(self, number, loss, norm):
        if self.group.rank == 0:
            tell('diverged', step=number, loss=in_words(loss), gradNorm=in_words(norm))
        self.place.clear()
        os._exit(3)

    def save(self):
        """State first, then the file that names it: a kill between the two leaves the state before."""
        if self.group.rank != 0 or len(self.steps) == self.saved:
            return
        tensors = {}
        for name, tensor in self.model.trained.items():
            state = self.optimizer.state[tensor]
            for part, value in (('params', tensor), ('m', state['exp_avg']), ('v', state['exp_avg_sq'])):
                tensors[f'{part}.{name}'] = value.detach().cpu().contiguous()
        name = f'state-{len(self.steps)}.safetensors'
        write_tensors(self.path(name), tensors)
        self.place.keep(name)
        write_text(self.path(PROGRESS), json.dumps({'steps': self.steps}))
        self.place.keep(PROGRESS)
        for other in os.listdir(self.folder):
            if other.startswith('state-') and other != name:
                os.remove(self.path(other))
                self.place.drop(other)
        self.saved = len(self.steps)

    def resume(self):
        """The steps that a checkpoint has, with the weights and moments after them."""
        if not os.path.exists(self.path(PROGRESS)):
            return []
        steps = read_json(self.path(PROGRESS))['steps']
        tensors = load_file(self.path(f'state-{len(steps)}.safetensors'))
        with torch.no_grad():
            for name, tensor in self.model.trained.items():
                tensor.copy_(tensors[f'params.{name}'])
                moments = {key: tensors[f'{part}.{name}'].to(self.device) for part, key in (('m', 'exp_avg'), ('v', 'exp_avg_sq'))}
                self.optimizer.state[tensor] = {'step': torch.tensor(float(len(steps))), **moments}
        return steps


def device_of(job, local):
    wanted, there = job['device'], torch.cuda.is_available()
    if wanted == 'cuda' and not there:
        raise Refusal('provider-unavailable', 'Expected a CUDA GPU for engine.trainer.device cuda, got none that torch can use. Install a torch build for CUDA, or set engine.trainer.device cpu.')
    on_gpu = there and wanted != 'cpu'
    if on_gpu and job['precision'] == 'bf16' and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise Refusal('unsupported', f'Expected a GPU with bfloat16 for engine.trainer.precision bf16, got {torch.cuda.get_device_name()}. Set engine.trainer.precision float32.')
    return torch.device('cuda', local) if on_gpu else torch.device('cpu')


def in_words(number):
    """As sipf reads numbers, also those that are none."""
    return {'nan': 'NaN', 'inf': 'Infinity', '-inf': '-Infinity'}.get(str(number), str(number))


def share_of(examples, group):
    """This process's examples: dealt out by length, so that every process has about as many tokens."""
    ordered = sorted(examples, key=lambda example: -example.width)
    return ordered[group.rank :: group.size]


def parts_of(examples, most):
    """Neighbours in length, at most `most` tokens with padding in one forward pass; a longer example is alone."""
    part, rows = [], 0
    for example in examples:
        if part and (rows + len(example.rows)) * part[0].width > most:
            yield part
            part, rows = [], 0
        part, rows = [*part, example], rows + len(example.rows)
    if part:
        yield part


def buckets_of(tensors, most):
    bucket, size = [], 0
    for tensor in tensors:
        if bucket and size + tensor.numel() > most:
            yield bucket
            bucket, size = [], 0
        bucket.append(tensor)
        size += tensor.numel()
    if bucket:
        yield bucket


def seed_of(*parts):
    """Dropout of a step is the same after a resume."""
    return int.from_bytes(hashlib.sha256('/'.join(map(str, parts)).encode()).digest()[:7], 'big')


def read_json(path):
    with open(path, encoding='utf-8') as file:
        return json.load(file)


class Lines:
    """The records of a file by their number; they stay in the file."""

    def __init__(self, path):
        self.file, self.starts = open(path, 'rb'), [0]
        for line in self.file:
            self.starts.append(self.starts[-1] + len(line))

    def __len__(self):
        return len(self.starts) - 1

    def __getitem__(self, number):
        self.file.seek(self.starts[number])
        return json.loads(self.file.readline())


def write_text(path, text):
    draft = f'{path}.draft'
    with open(draft, 'w', encoding='utf-8') as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def write_tensors(path, tensors):
    draft = f'{path}.draft'
    save_file(tensors, draft, {'format': 'pt'})
    with open(draft, 'rb+') as file:
        os.fsync(file.fileno())
    os.replace(draft, path)
